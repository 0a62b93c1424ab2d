"""Access: a request whose token is valid is allowed or denied by the first check that fails."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deciding.access import decide, demand, identify
from authz.deciding.decision import UNKNOWN, Allowed, Decision, Denied, Identity
from authz.deciding.reasons import Reason
from authz.model import Access, AllOf, AnyOf, ByHeader, Claims, TokenRule, TokenType
from tests.support.examples import CLAIMS, RULE, USER_ISSUER, asked

USER_CLAIMS: Final = replace(CLAIMS, issuer=USER_ISSUER, subject="user-1")
BOUND: Final = {"x-gitlab-instance-id": "instance-1"}
USER_BOUND: Final = {"x-gitlab-global-user-id": "user-1"}


def refused(reason: Reason, named: str = "", *, signature_valid: bool = True) -> Denied:
    return Denied(reason, named, "alpha", signature_valid=signature_valid)


def decided(
    headers: dict[str, str] | None = None, claims: Claims = CLAIMS, rule: TokenRule = RULE
) -> Identity | Denied | None:
    decision = decision_on(asked(headers).headers, claims, rule)
    return decision.identity if isinstance(decision, Allowed) else decision


def decision_on(headers: Mapping[str, str], claims: Claims, rule: TokenRule = RULE) -> Decision:
    return decide(headers, rule, demand(rule, headers), claims, identify(headers, claims, "small"))


@pytest.mark.parametrize(
    ("claims", "headers", "header"),
    [
        pytest.param(replace(CLAIMS, realm="saas"), BOUND, "X-Gitlab-Realm", id="the realm's header is absent"),
        pytest.param(
            replace(CLAIMS, realm="saas"), {**BOUND, "x-gitlab-realm": "SAAS"}, "X-Gitlab-Realm", id="another realm"
        ),
        pytest.param(
            replace(CLAIMS, realm="saas"), {**BOUND, "x-gitlab-realm": "saas,saas"}, "X-Gitlab-Realm", id="two realms"
        ),
        pytest.param(CLAIMS, {}, "X-Gitlab-Instance-Id", id="the instance's header is absent"),
        pytest.param(CLAIMS, {"x-gitlab-instance-id": ""}, "X-Gitlab-Instance-Id", id="an empty instance"),
        pytest.param(CLAIMS, {"x-gitlab-instance-id": "other"}, "X-Gitlab-Instance-Id", id="another instance"),
        pytest.param(
            replace(CLAIMS, instance_id="claim-1"), BOUND, "X-Gitlab-Instance-Id", id="the subject, but not the claim"
        ),
        pytest.param(
            replace(CLAIMS, instance_id="claim-1"),
            {"x-gitlab-instance-id": "claim-1"},
            "X-Gitlab-Instance-Id",
            id="the claim, but not the subject",
        ),
        pytest.param(USER_CLAIMS, BOUND, "X-Gitlab-Global-User-Id", id="the user's header is absent"),
        pytest.param(USER_CLAIMS, {"x-gitlab-global-user-id": "user-2"}, "X-Gitlab-Global-User-Id", id="another user"),
        pytest.param(
            replace(USER_CLAIMS, instance_id="instance-1"),
            USER_BOUND,
            "X-Gitlab-Instance-Id",
            id="a user's instance is absent",
        ),
        pytest.param(replace(CLAIMS, realm="saas"), {}, "X-Gitlab-Realm", id="realm and instance: the realm is named"),
        pytest.param(
            replace(USER_CLAIMS, instance_id="i"),
            {},
            "X-Gitlab-Instance-Id",
            id="instance and user: the instance is named",
        ),
    ],
)
def test_a_header_that_its_claim_contradicts_is_refused(claims: Claims, headers: dict[str, str], header: str) -> None:
    assert decided(headers, claims) == refused(Reason.HEADER_MISMATCH, header)


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        pytest.param(CLAIMS, {**BOUND, "x-gitlab-realm": "anything"}, id="a realm that no claim speaks of"),
        pytest.param(CLAIMS, {**BOUND, "x-gitlab-global-user-id": "anyone"}, id="a user under an instance token"),
        pytest.param(
            replace(CLAIMS, realm="saas", instance_id="instance-1"), {**BOUND, "x-gitlab-realm": "saas"}, id="all bound"
        ),
        pytest.param(
            USER_CLAIMS, {**USER_BOUND, "x-gitlab-instance-id": "any"}, id="an instance that no claim speaks of"
        ),
        pytest.param(
            replace(USER_CLAIMS, instance_id="instance-1"), {**USER_BOUND, **BOUND}, id="a user and its instance"
        ),
    ],
)
def test_headers_that_fit_their_claims_pass(claims: Claims, headers: dict[str, str]) -> None:
    assert isinstance(decided(headers, claims), Identity)


def ruled(access: Access) -> TokenRule:
    return replace(RULE, access=access)


BY_HEADER: Final = ruled(ByHeader("x-purpose", frozenset({"read", "write"})))


@pytest.mark.parametrize(
    ("rule", "headers", "scopes", "answer"),
    [
        pytest.param(ruled(AllOf(("read",))), {}, {"read"}, "read", id="the one that is needed"),
        pytest.param(ruled(AllOf(("write", "read"))), {}, {"read", "write", "more"}, "write,read", id="all, in order"),
        pytest.param(
            ruled(AllOf(("write", "read"))), {}, {"read"}, refused(Reason.MISSING_SCOPE, "write"), id="one missing"
        ),
        pytest.param(
            ruled(AllOf(("read", "write"))), {}, {"read"}, refused(Reason.MISSING_SCOPE, "write"), id="the last missing"
        ),
        pytest.param(
            ruled(AllOf(("write", "admin"))), {}, {"read"}, refused(Reason.MISSING_SCOPE, "write"), id="all missing"
        ),
        pytest.param(
            ruled(AllOf(("read",))), {}, {"READ", "rea", "reads"}, refused(Reason.MISSING_SCOPE, "read"), id="like it"
        ),
        pytest.param(ruled(AllOf(("read",))), {}, set(), refused(Reason.MISSING_SCOPE, "read"), id="no scope at all"),
        pytest.param(ruled(AnyOf(("write", "read"))), {}, {"read"}, "read", id="any of: the second"),
        pytest.param(
            ruled(AnyOf(("write", "read"))), {}, {"read", "write"}, "write", id="any of: the first that is held"
        ),
        pytest.param(
            ruled(AnyOf(("write", "read"))), {}, {"admin"}, refused(Reason.MISSING_SCOPE, "write"), id="none of"
        ),
        pytest.param(BY_HEADER, {"x-purpose": "read"}, {"read"}, "read", id="by header"),
        pytest.param(
            BY_HEADER, {"x-purpose": "write"}, {"read"}, refused(Reason.MISSING_SCOPE, "write"), id="by header, missing"
        ),
        pytest.param(BY_HEADER, {}, {"read"}, refused(Reason.UNIT_PRIMITIVE_HEADER_MISSING), id="no purpose"),
        pytest.param(
            BY_HEADER, {"x-purpose": ""}, {"read"}, refused(Reason.UNIT_PRIMITIVE_HEADER_MISSING), id="empty purpose"
        ),
        pytest.param(
            BY_HEADER, {"x-purpose": "admin"}, {"admin"}, refused(Reason.UNIT_PRIMITIVE_NOT_SERVED), id="not served"
        ),
        pytest.param(
            BY_HEADER,
            {"x-purpose": "read,write"},
            {"read"},
            refused(Reason.UNIT_PRIMITIVE_NOT_SERVED),
            id="two purposes",
        ),
    ],
)
def test_the_scopes_decide(rule: TokenRule, headers: dict[str, str], scopes: set[str], answer: str | Denied) -> None:
    found = decided({**BOUND, **headers}, replace(CLAIMS, scopes=frozenset(scopes)), rule)
    assert (found.unit_primitive if isinstance(found, Identity) else found) == answer


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        pytest.param(RULE, "read", id="the one"),
        pytest.param(ruled(AllOf(("write", "read"))), "write", id="the first of all"),
        pytest.param(ruled(AnyOf(("admin", "read"))), "admin", id="the first of any"),
    ],
)
def test_a_token_type_that_the_rule_does_not_take_is_refused_before_scopes(rule: TokenRule, named: str) -> None:
    instance_only = replace(rule, token_types=frozenset({TokenType.INSTANCE}))
    for scopes in (frozenset({"read", "write", "admin"}), frozenset[str]()):
        found = decided(USER_BOUND, replace(USER_CLAIMS, scopes=scopes), instance_only)
        assert found == refused(Reason.TOKEN_TYPE_NOT_ALLOWED, named)
    user_only = replace(rule, token_types=frozenset({TokenType.USER}))
    assert decided(BOUND, CLAIMS, user_only) == refused(Reason.TOKEN_TYPE_NOT_ALLOWED, named)


def test_required_headers_are_asked_for_last_in_the_rules_order() -> None:
    rule = replace(RULE, required_headers=("X-B", "X-A"))
    assert decided(BOUND, replace(CLAIMS, scopes=frozenset()), rule) == refused(Reason.MISSING_SCOPE, "read")
    assert decided(BOUND, CLAIMS, rule) == refused(Reason.MISSING_HEADER, "X-B")
    assert decided({**BOUND, "x-b": "1"}, CLAIMS, rule) == refused(Reason.MISSING_HEADER, "X-A")
    assert decided({**BOUND, "x-b": "1", "x-a": ""}, CLAIMS, rule) == refused(Reason.MISSING_HEADER, "X-A")
    assert isinstance(decided({**BOUND, "x-b": "1", "x-a": "2"}, CLAIMS, rule), Identity)


def test_a_purpose_is_asked_for_before_the_token_type() -> None:
    user_only = replace(BY_HEADER, token_types=frozenset({TokenType.USER}))
    assert decided(BOUND, CLAIMS, user_only) == refused(Reason.UNIT_PRIMITIVE_HEADER_MISSING)


def test_bound_headers_are_compared_before_the_purpose() -> None:
    assert decided({}, CLAIMS, BY_HEADER) == refused(Reason.HEADER_MISMATCH, "X-Gitlab-Instance-Id")


@pytest.mark.parametrize(
    ("claims", "headers", "instance_id", "user_id"),
    [
        pytest.param(CLAIMS, BOUND, "instance-1", UNKNOWN, id="an instance: its subject"),
        pytest.param(
            replace(CLAIMS, instance_id="instance-1"), BOUND, "instance-1", UNKNOWN, id="an instance: its claim"
        ),
        pytest.param(
            CLAIMS, {**BOUND, "x-gitlab-global-user-id": "who+1="}, "instance-1", "who+1=", id="whom an instance names"
        ),
        pytest.param(
            CLAIMS,
            {**BOUND, "x-gitlab-global-user-id": "a" * 128},
            "instance-1",
            "a" * 128,
            id="a name of 128 characters",
        ),
        pytest.param(
            CLAIMS,
            {**BOUND, "x-gitlab-global-user-id": "a" * 129},
            "instance-1",
            UNKNOWN,
            id="a name too long to count",
        ),
        pytest.param(
            CLAIMS,
            {**BOUND, "x-gitlab-global-user-id": "a b"},
            "instance-1",
            UNKNOWN,
            id="a name that is no identifier",
        ),
        pytest.param(
            CLAIMS, {**BOUND, "x-gitlab-global-user-id": "a\n"}, "instance-1", UNKNOWN, id="a name with a line break"
        ),
        pytest.param(USER_CLAIMS, USER_BOUND, UNKNOWN, "user-1", id="a user without an instance"),
        pytest.param(
            replace(USER_CLAIMS, instance_id="instance-1"), {**USER_BOUND, **BOUND}, "instance-1", "user-1", id="a user"
        ),
    ],
)
def test_limits_count_for_whom_the_token_names(
    claims: Claims, headers: dict[str, str], instance_id: str, user_id: str
) -> None:
    found = decided(headers, claims)
    assert isinstance(found, Identity)
    assert (found.instance_id, found.user_id) == (instance_id, user_id)
    assert (found.issuer, found.tier, found.claims) == (claims.issuer.name, "small", claims)


@pytest.mark.parametrize(
    ("rule", "claims"),
    [
        pytest.param(ruled(cast("Any", "everyone")), CLAIMS, id="access"),
        pytest.param(RULE, replace(CLAIMS, issuer=replace(USER_ISSUER, token_type=cast("Any", "x"))), id="token type"),
    ],
)
def test_a_kind_that_nobody_thought_of_is_never_allowed(rule: TokenRule, claims: Claims) -> None:
    with pytest.raises(AssertionError):
        decision_on(asked().headers, claims, rule)


INSTANCE: Final = "x-gitlab-instance-id"
USER_ID: Final = "x-gitlab-global-user-id"
REALM: Final = "x-gitlab-realm"


@pytest.mark.parametrize(
    ("claims", "headers", "realm", "instance", "user"),
    [
        pytest.param(CLAIMS, {}, "not_checked", "absent", "not_checked", id="an instance that is not said"),
        pytest.param(CLAIMS, {INSTANCE: ""}, "not_checked", "absent", "not_checked", id="said empty"),
        pytest.param(CLAIMS, {INSTANCE: "instance-1"}, "not_checked", "match", "not_checked", id="the subject"),
        pytest.param(CLAIMS, {INSTANCE: "other"}, "not_checked", "mismatch", "not_checked", id="another instance"),
        pytest.param(
            replace(CLAIMS, instance_id="other"),
            {INSTANCE: "other"},
            "not_checked",
            "mismatch",
            "not_checked",
            id="the claim, but not the subject",
        ),
        pytest.param(replace(CLAIMS, realm="saas"), {REALM: "saas"}, "match", "absent", "not_checked", id="a realm"),
        pytest.param(USER_CLAIMS, {USER_ID: "user-1"}, "not_checked", "not_checked", "match", id="a user"),
        pytest.param(USER_CLAIMS, {USER_ID: "user-2"}, "not_checked", "not_checked", "mismatch", id="another user"),
        pytest.param(
            replace(USER_CLAIMS, subject="u" * 256),
            {USER_ID: "u" * 257},
            "not_checked",
            "not_checked",
            "mismatch",
            id="a user that goes on",
        ),
    ],
)
def test_each_bound_header_has_an_outcome_of_its_own(
    claims: Claims, headers: dict[str, str], realm: str, instance: str, user: str
) -> None:
    assert identify(headers, claims, "small").bindings == (realm, instance, user)


VALUES: Final = st.sampled_from(["", "instance-1", "user-1", "saas", "other"])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from([REALM, INSTANCE, USER_ID]), VALUES),
    st.builds(replace, st.sampled_from([CLAIMS, USER_CLAIMS]), realm=VALUES, instance_id=VALUES),
)
def test_a_header_that_does_not_match_is_why_a_request_is_refused(headers: dict[str, str], claims: Claims) -> None:
    outcomes = set(identify(headers, claims, "small").bindings)
    decision = decision_on(headers, claims)
    mismatched = isinstance(decision, Denied) and decision.reason is Reason.HEADER_MISMATCH
    assert mismatched == bool(outcomes & {"mismatch", "absent"})
