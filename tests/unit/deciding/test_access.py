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
from authz.model import Access, AllOf, AnyOf, Authenticated, Bound, ByHeader, Claims, TokenRule, TokenType
from tests.support.examples import CLAIMS, RULE, USER_ISSUER, asked
from tests.support.tables import row

USER_CLAIMS: Final = replace(CLAIMS, issuer=USER_ISSUER, subject="user-1")
USER_OF_INSTANCE: Final = replace(USER_CLAIMS, instance_id="instance-1")
SAAS: Final = replace(CLAIMS, realm="saas")
CLAIMED: Final = replace(CLAIMS, instance_id="claim-1")
INSTANCE: Final = "x-gitlab-instance-id"
USER_ID: Final = "x-gitlab-global-user-id"
REALM: Final = "x-gitlab-realm"
BOUND: Final = {INSTANCE: "instance-1"}
USER_BOUND: Final = {USER_ID: "user-1"}


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
        row("the realm's header is absent", SAAS, BOUND, "X-Gitlab-Realm"),
        row("another realm", SAAS, {**BOUND, REALM: "SAAS"}, "X-Gitlab-Realm"),
        row("two realms", SAAS, {**BOUND, REALM: "saas,saas"}, "X-Gitlab-Realm"),
        row("the instance's header is absent", CLAIMS, {}, "X-Gitlab-Instance-Id"),
        row("an empty instance", CLAIMS, {INSTANCE: ""}, "X-Gitlab-Instance-Id"),
        row("another instance", CLAIMS, {INSTANCE: "other"}, "X-Gitlab-Instance-Id"),
        row("the subject, but not the claim", CLAIMED, BOUND, "X-Gitlab-Instance-Id"),
        row("the claim, but not the subject", CLAIMED, {INSTANCE: "claim-1"}, "X-Gitlab-Instance-Id"),
        row("the user's header is absent", USER_CLAIMS, BOUND, "X-Gitlab-Global-User-Id"),
        row("another user", USER_CLAIMS, {USER_ID: "user-2"}, "X-Gitlab-Global-User-Id"),
        row("a user's instance is absent", USER_OF_INSTANCE, USER_BOUND, "X-Gitlab-Instance-Id"),
        row("realm and instance: the realm is named", SAAS, {}, "X-Gitlab-Realm"),
        row("instance and user: the instance is named", USER_OF_INSTANCE, {}, "X-Gitlab-Instance-Id"),
    ],
)
def test_a_header_that_its_claim_contradicts_is_refused(claims: Claims, headers: dict[str, str], header: str) -> None:
    found = decided(headers, claims)
    assert isinstance(found, Denied)
    assert replace(found, mismatch=None) == refused(Reason.HEADER_MISMATCH, header)


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        row("a realm that no claim speaks of", CLAIMS, {**BOUND, REALM: "anything"}),
        row("a user under an instance token", CLAIMS, {**BOUND, USER_ID: "anyone"}),
        row("all bound", replace(SAAS, instance_id="instance-1"), {**BOUND, REALM: "saas"}),
        row("an instance that no claim speaks of", USER_CLAIMS, {**USER_BOUND, INSTANCE: "any"}),
        row("a user and its instance", USER_OF_INSTANCE, {**USER_BOUND, **BOUND}),
    ],
)
def test_headers_that_fit_their_claims_pass(claims: Claims, headers: dict[str, str]) -> None:
    assert isinstance(decided(headers, claims), Identity)


def ruled(access: Access) -> TokenRule:
    return replace(RULE, access=access)


def lacking(name: str) -> Denied:
    return refused(Reason.MISSING_SCOPE, name)


READ: Final = ruled(AllOf(("read",)))
BOTH: Final = ruled(AllOf(("write", "read")))
EITHER: Final = ruled(AnyOf(("write", "read")))
BY_HEADER: Final = ruled(
    ByHeader("x-purpose", {name: AllOf((name,)) for name in ("read", "write")}, frozenset({"read", "write", "admin"}))
)


UNSERVED: Final = replace(
    refused(Reason.UNIT_PRIMITIVE_NOT_SERVED, "admin"), text="This endpoint cannot be used for admin purpose"
)


@pytest.mark.parametrize(
    ("rule", "purpose", "scopes", "answer"),
    [
        row("the one that is needed", READ, None, {"read"}, "read"),
        row("all, in order", BOTH, None, {"read", "write", "more"}, "write,read"),
        row("one missing", BOTH, None, {"read"}, lacking("write")),
        row("the last missing", ruled(AllOf(("read", "write"))), None, {"read"}, lacking("write")),
        row("all missing", ruled(AllOf(("write", "admin"))), None, {"read"}, lacking("write")),
        row("like it", READ, None, {"READ", "rea", "reads"}, lacking("read")),
        row("no scope at all", READ, None, set(), lacking("read")),
        row("any of: the second", EITHER, None, {"read"}, "read"),
        row("any of: the first that is held", EITHER, None, {"read", "write"}, "write"),
        row("none of", EITHER, None, {"admin"}, lacking("write")),
        row("by header", BY_HEADER, "read", {"read"}, "read"),
        row("by header, missing", BY_HEADER, "write", {"read"}, lacking("write")),
        row("no purpose", BY_HEADER, None, {"read"}, refused(Reason.UNIT_PRIMITIVE_HEADER_MISSING)),
        row("empty purpose", BY_HEADER, "", {"read"}, refused(Reason.UNIT_PRIMITIVE_HEADER_MISSING)),
        row("not served", BY_HEADER, "admin", {"admin"}, UNSERVED),
        row("two purposes", BY_HEADER, "read,write", {"read"}, refused(Reason.UNIT_PRIMITIVE_NOT_SERVED)),
    ],
)
def test_the_scopes_decide(rule: TokenRule, purpose: str | None, scopes: set[str], answer: str | Denied) -> None:
    headers = BOUND if purpose is None else {**BOUND, "x-purpose": purpose}
    found = decided(headers, replace(CLAIMS, scopes=frozenset(scopes)), rule)
    assert (found.unit_primitive if isinstance(found, Identity) else found) == answer


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        row("the one", RULE, "read"),
        row("the first of all", ruled(AllOf(("write", "read"))), "write"),
        row("the first of any", ruled(AnyOf(("admin", "read"))), "admin"),
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
    found = decided({}, CLAIMS, BY_HEADER)
    assert isinstance(found, Denied)
    assert found.reason is Reason.HEADER_MISMATCH


@pytest.mark.parametrize(
    ("claims", "headers", "mismatch"),
    [
        row("the realm", SAAS, {**BOUND, REALM: "self-managed"}, ("self-managed", "saas")),
        row("a header that is absent", SAAS, BOUND, ("", "saas")),
        row("the subject", CLAIMS, {INSTANCE: "other"}, ("other", "instance-1")),
        row("the claim, although the subject fits", CLAIMED, BOUND, ("instance-1", "claim-1")),
        row("the subject, although the claim fits", CLAIMED, {INSTANCE: "claim-1"}, ("claim-1", "instance-1")),
        row("the user", USER_CLAIMS, {USER_ID: "user-2"}, ("user-2", "user-1")),
        row("a user's instance", USER_OF_INSTANCE, {**USER_BOUND, INSTANCE: "x"}, ("x", "instance-1")),
        row("a bound header", replace(CLAIMS, named={"project": "7"}), {**BOUND, "x-project": "8"}, ("8", "7")),
        row("a bound header that is absent", replace(CLAIMS, named={"project": "7"}), BOUND, ("", "7")),
    ],
)
def test_a_mismatch_keeps_what_both_sides_said(
    claims: Claims, headers: dict[str, str], mismatch: tuple[str, str]
) -> None:
    found = decided(headers, claims, replace(RULE, bind=(Bound("x-project", "X-Project", "project"),)))
    assert isinstance(found, Denied)
    assert found.mismatch == mismatch


@pytest.mark.parametrize("access", [Authenticated(), AnyOf(("read",))], ids=["authenticated", "by scope"])
def test_headers_that_an_issuer_binds_are_compared_at_every_endpoint(access: Access) -> None:
    binding = replace(CLAIMS.issuer, bind=(Bound("x-project", "X-Project", "project"),))
    claims = replace(CLAIMS, issuer=binding, named={"project": "7"})
    assert isinstance(decided({**BOUND, "x-project": "7"}, claims, ruled(access)), Identity)
    found = decided({**BOUND, "x-project": "77"}, claims, ruled(access))
    assert isinstance(found, Denied)
    assert (found.reason, found.named) == (Reason.HEADER_MISMATCH, "X-Project")


def test_an_endpoint_that_demands_no_unit_primitive_grants_none() -> None:
    found = decided(BOUND, replace(CLAIMS, scopes=frozenset()), ruled(Authenticated()))
    assert isinstance(found, Identity)
    assert found.unit_primitive == ""


def test_a_refusal_that_can_name_no_unit_primitive_says_forbidden() -> None:
    rule = replace(ruled(Authenticated()), claims=(("plan", frozenset({"ultimate"})),))
    found = decided(BOUND, CLAIMS, rule)
    assert isinstance(found, Denied)
    assert (found.reason, found.message) == (Reason.CLAIM_NOT_ALLOWED, "Forbidden")
    own = decided(BOUND, CLAIMS, replace(rule, denied="Only for ultimate"))
    assert isinstance(own, Denied)
    assert own.message == "Only for ultimate"


@pytest.mark.parametrize(
    ("claims", "headers", "instance_id", "user_id"),
    [
        row("an instance: its subject", CLAIMS, BOUND, "instance-1", UNKNOWN),
        row("an instance: its claim", replace(CLAIMS, instance_id="instance-1"), BOUND, "instance-1", UNKNOWN),
        row("whom an instance names", CLAIMS, {**BOUND, USER_ID: "who+1="}, "instance-1", "who+1="),
        row("a name of 128 characters", CLAIMS, {**BOUND, USER_ID: "a" * 128}, "instance-1", "a" * 128),
        row("a name too long to count", CLAIMS, {**BOUND, USER_ID: "a" * 129}, "instance-1", UNKNOWN),
        row("a name that is no identifier", CLAIMS, {**BOUND, USER_ID: "a b"}, "instance-1", UNKNOWN),
        row("a name with a line break", CLAIMS, {**BOUND, USER_ID: "a\n"}, "instance-1", UNKNOWN),
        row("a user without an instance", USER_CLAIMS, USER_BOUND, UNKNOWN, "user-1"),
        row("a user", USER_OF_INSTANCE, {**USER_BOUND, **BOUND}, "instance-1", "user-1"),
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
        row("access", ruled(cast("Any", "everyone")), CLAIMS),
        row("token type", RULE, replace(CLAIMS, issuer=replace(USER_ISSUER, token_type=cast("Any", "x")))),
    ],
)
def test_a_kind_that_nobody_thought_of_is_never_allowed(rule: TokenRule, claims: Claims) -> None:
    with pytest.raises(AssertionError):
        decision_on(asked().headers, claims, rule)


def test_a_demand_that_nobody_thought_of_is_never_granted() -> None:
    caller = identify(BOUND, CLAIMS, "small")
    with pytest.raises(AssertionError):
        decide(BOUND, RULE, cast("Any", "everything"), CLAIMS, caller)


NOT_CHECKED: Final = "not_checked"


@pytest.mark.parametrize(
    ("claims", "headers", "outcomes"),
    [
        row("an instance that is not said", CLAIMS, {}, (NOT_CHECKED, "absent", NOT_CHECKED)),
        row("said empty", CLAIMS, {INSTANCE: ""}, (NOT_CHECKED, "absent", NOT_CHECKED)),
        row("the subject", CLAIMS, BOUND, (NOT_CHECKED, "match", NOT_CHECKED)),
        row("another instance", CLAIMS, {INSTANCE: "other"}, (NOT_CHECKED, "mismatch", NOT_CHECKED)),
        row("the claim, but not the subject", CLAIMED, {INSTANCE: "claim-1"}, (NOT_CHECKED, "mismatch", NOT_CHECKED)),
        row("a realm", SAAS, {REALM: "saas"}, ("match", "absent", NOT_CHECKED)),
        row("a user", USER_CLAIMS, USER_BOUND, (NOT_CHECKED, NOT_CHECKED, "match")),
        row("another user", USER_CLAIMS, {USER_ID: "user-2"}, (NOT_CHECKED, NOT_CHECKED, "mismatch")),
        row(
            "a user that goes on",
            replace(USER_CLAIMS, subject="u" * 256),
            {USER_ID: "u" * 257},
            (NOT_CHECKED, NOT_CHECKED, "mismatch"),
        ),
    ],
)
def test_each_bound_header_has_an_outcome_of_its_own(
    claims: Claims, headers: dict[str, str], outcomes: tuple[str, str, str]
) -> None:
    """The outcomes are those of realm, instance and user."""
    assert identify(headers, claims, "small").bindings == outcomes


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
