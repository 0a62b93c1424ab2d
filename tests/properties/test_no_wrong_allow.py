"""Nothing is allowed that the slow twin would not allow, whatever the path, the headers, the token or the bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.deciding._proto.external_auth_pb2 import CheckRequest, CheckResponse
from authz.deciding.check import Check
from tests.support.issuers import PRODUCTION
from tests.support.minting import INSTANCE, USER, Minter, request
from tests.support.properties import twin
from tests.support.properties.strategies import METHODS, claim_sets, header_sets, labels, scope_sets, targets
from tests.support.properties.twin import TwinRule

MINTER: Final = Minter()
AUDIENCES: Final = {
    "ai_gateway": "gitlab-ai-gateway",
    "duo_workflow_service": "gitlab-duo-workflow-service",
}
TARGET: Final = "/ai/v2/code/completions"
ALLOWED: Final = request(TARGET, token=MINTER.token())


@dataclass(frozen=True)
class Bearer:
    """A genuine token: who signed it, for whom, and what it grants."""

    issuer: str
    audience: str
    scopes: tuple[str, ...]
    claims: Mapping[str, object]

    def token(self) -> str:
        return MINTER.token(self.issuer, {"scopes": list(self.scopes), "aud": self.audience, **self.claims})


def passes(answer: bytes) -> bool:
    """What Envoy makes of an answer: it lets pass on status 0, and an empty answer has status 0."""
    response = CheckResponse.FromString(answer)
    if response.status.code == 0:
        return True
    assert response.denied_response.status.code >= 400
    assert response.dynamic_metadata.fields["outcome"].string_value == "denied"
    return False


def bearer_may_pass(
    rules: list[TwinRule],
    method: str,
    target: str,
    label: str | None,
    headers: Mapping[str, str],
    bearer: Bearer,
) -> bool:
    """The twin of the whole decision, for a token that is genuine and in time."""
    path = twin.decode(target)
    rule = "ambiguous_path" if path is None else twin.match(rules, method, path)
    if path is None or isinstance(rule, str) or rule.backend != label:
        return False
    if twin.is_gone(rule, MINTER.now):
        return False
    if rule.entry.get("public"):
        return True
    profile = PRODUCTION[bearer.issuer]
    kind = "user" if profile.speaks_for_user else "instance"
    bound = {"x-gitlab-realm": profile.realm, "x-gitlab-instance-id": INSTANCE}
    if kind == "user":
        bound["x-gitlab-global-user-id"] = USER
    return (
        bearer.audience == AUDIENCES.get(rule.backend)
        and profile.opens(rule.backend)
        and _has_authentication_type(rule, headers)
        and all(headers.get(name) == value for name, value in bound.items())
        and twin.bound_headers_hold(rule, headers, bearer.claims)
        and kind in rule.entry.get("token_types", ["instance", "user"])
        and bearer.issuer not in rule.entry.get("not_issuers", [])
        and twin.claims_fit(rule, bearer.claims)
        and twin.grants(rule, path, headers, bearer.scopes)
        and all(headers.get(name.lower()) for name in rule.entry.get("required_headers", []))
    )


def is_bounded(answer: bytes) -> bool:
    """Whether authz tells Envoy when a stream ends."""
    headers = CheckResponse.FromString(answer).ok_response.headers
    return any(option.header.key == "x-envoy-upstream-stream-duration-ms" for option in headers)


def ends_with_token(rules: list[TwinRule], method: str, target: str) -> bool:
    path = twin.decode(target)
    rule = "ambiguous_path" if path is None else twin.match(rules, method, path)
    return not isinstance(rule, str) and rule.entry.get("deadline") == "token"


def _has_authentication_type(rule: TwinRule, headers: Mapping[str, str]) -> bool:
    said = headers.get("x-gitlab-authentication-type")
    return said == "oidc" or (said is None and rule.entry.get("authentication_type") == "optional")


@given(
    method=st.sampled_from(METHODS),
    target=targets,
    label=labels,
    headers=header_sets,
    scopes=scope_sets,
    claims=claim_sets,
    issuer=st.sampled_from(sorted(PRODUCTION)),
    audience=st.sampled_from(sorted(AUDIENCES.values())),
)
def test_a_genuine_token_opens_what_the_twin_says_and_nothing_else(
    check: Check,
    twin_rules: list[TwinRule],
    method: str,
    target: str,
    label: str | None,
    headers: dict[str, str],
    scopes: list[str],
    claims: dict[str, object],
    issuer: str,
    audience: str,
) -> None:
    bearer = Bearer(issuer, audience, tuple(scopes), claims)
    sent = {**headers, "authorization": f"Bearer {bearer.token()}"}
    message = _message(method, target, label, sent)
    answer = check(message)
    assert passes(answer) == bearer_may_pass(twin_rules, method, target, label, headers, bearer)
    assert is_bounded(answer) == (passes(answer) and ends_with_token(twin_rules, method, target))


@given(target=targets, scopes=scope_sets, claims=claim_sets, data=st.data())
def test_a_client_that_does_everything_right_opens_exactly_what_its_scopes_name(
    check: Check,
    twin_rules: list[TwinRule],
    target: str,
    scopes: list[str],
    claims: dict[str, object],
    data: st.DataObject,
) -> None:
    path = twin.decode(target)
    candidates = [rule for rule in twin_rules if path is not None and twin.match([rule], "POST", path) != "no_rule"]
    backend = candidates[0].backend if candidates else "ai_gateway"
    headers = {
        "x-gitlab-authentication-type": "oidc",
        "x-gitlab-realm": "self-managed",
        "x-gitlab-instance-id": INSTANCE,
        "x-gitlab-global-user-id": USER,
        "x-gitlab-unit-primitive": data.draw(st.sampled_from([*scopes[:1], "complete_code", "duo_chat"])),
    }
    headers |= data.draw(st.sampled_from([{}, {"x-gitlab-root-namespace-id": "9970"}]))
    bearer = Bearer("customers-dot", AUDIENCES.get(backend, "nobody"), tuple(scopes), claims)
    sent = {**headers, "authorization": f"Bearer {bearer.token()}"}
    for method in ("POST", "GET"):
        message = _message(method, target, backend, sent)
        assert passes(check(message)) == bearer_may_pass(twin_rules, method, target, backend, headers, bearer)


@given(method=st.sampled_from(METHODS), target=targets, label=labels, headers=header_sets, junk=st.text(max_size=40))
def test_nobody_passes_without_a_token_unless_the_endpoint_is_public(
    check: Check,
    twin_rules: list[TwinRule],
    method: str,
    target: str,
    label: str | None,
    headers: dict[str, str],
    junk: str,
) -> None:
    path = twin.decode(target)
    rule = "ambiguous_path" if path is None else twin.match(twin_rules, method, path)
    public = (
        not isinstance(rule, str)
        and bool(rule.entry.get("public"))
        and rule.backend == label
        and not twin.is_gone(rule, MINTER.now)
    )
    for authorization in ({}, {"authorization": junk}, {"authorization": f"Bearer {junk}"}):
        assert passes(check(_message(method, target, label, {**headers, **authorization}))) == public


@given(position=st.integers(0, 10_000), character=st.characters(codec="utf-8"))
def test_a_token_with_one_character_changed_opens_nothing(check: Check, position: int, character: str) -> None:
    token = MINTER.token()
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    assert passes(check(request(TARGET, token=changed))) == (changed == token)


@given(start=st.integers(0, 2_000), length=st.integers(1, 60))
def test_a_token_with_a_piece_cut_out_opens_nothing(check: Check, start: int, length: int) -> None:
    token = MINTER.token()
    start %= len(token)
    assert not passes(check(request(TARGET, token=token[:start] + token[start + length :])))


@given(message=st.binary(max_size=400))
def test_random_bytes_open_nothing(check: Check, message: bytes) -> None:
    assert not passes(check(message))


@given(position=st.integers(0, 100_000), octet=st.integers(0, 255))
def test_a_request_with_one_byte_changed_passes_only_if_it_still_says_the_same(
    check: Check, position: int, octet: int
) -> None:
    position %= len(ALLOWED)
    changed = ALLOWED[:position] + bytes([octet]) + ALLOWED[position + 1 :]
    if passes(check(changed)):
        before, after = _decisive(ALLOWED), _decisive(changed)
        # An instance token does not speak for its user, and nobody else's headers decide anything.
        assert after == before


@pytest.mark.parametrize("length", range(0, len(ALLOWED), 7))
def test_a_request_that_was_cut_off_opens_nothing(check: Check, length: int) -> None:
    assert not passes(check(ALLOWED[:length]))


def _message(method: str, target: str, label: str | None, headers: Mapping[str, str]) -> bytes:
    message = CheckRequest()
    http = message.attributes.request.http
    http.method = method
    http.path = target
    http.headers.update(headers)
    if label is not None:
        message.attributes.context_extensions["backend_service"] = label
    return message.SerializeToString()


def _decisive(message: bytes) -> tuple[object, ...]:
    attributes = CheckRequest.FromString(message).attributes
    http = attributes.request.http
    names = ("authorization", "x-gitlab-authentication-type", "x-gitlab-realm", "x-gitlab-instance-id")
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    bound = [http.headers.get(name) for name in names[1:]]
    path = http.path.partition("?")[0]
    return (http.method, path, scheme.lower(), token, bound, attributes.context_extensions.get("backend_service"))
