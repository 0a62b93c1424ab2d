"""Access: what a valid token may do at an endpoint, by its bound headers, its type and its scopes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import product
from typing import Final, NamedTuple, assert_never

from authz.deciding import facts
from authz.deciding.decision import UNKNOWN, Allowed, Decision, Denied, Identity, Mismatch
from authz.deciding.reasons import Reason
from authz.model import AllOf, AnyOf, Authenticated, Bound, ByHeader, Claims, Demand, TokenRule, TokenType

_USER_ID: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,128}")


class Binding(StrEnum):
    """What a header said of the claim that binds it; `not_checked` where no claim binds it, or none is proven."""

    MATCH = "match"
    MISMATCH = "mismatch"
    ABSENT = "absent"
    NOT_CHECKED = "not_checked"


class Bindings(NamedTuple):
    """What each bound header said."""

    realm: Binding = Binding.NOT_CHECKED
    instance: Binding = Binding.NOT_CHECKED
    user: Binding = Binding.NOT_CHECKED


class Caller(NamedTuple):
    """Who calls, by a proven token: the ids and the tier that limits count, and what the bound headers said.

    An id is `unknown` where the token names none. Under an instance token `user_id` is the header's value: information,
    not proof.
    """

    instance_id: str
    user_id: str
    tier: str
    bindings: Bindings


def identify(headers: Mapping[str, str], claims: Claims, tier: str) -> Caller:
    """Return who calls, from the claims of a proven token and the headers that came with it."""
    get = headers.get
    user_header = get(facts.USER_HEADER, "")
    match claims.issuer.token_type:
        case TokenType.INSTANCE:
            instance_id = claims.instance_id or claims.subject
            user_id = user_header if _USER_ID.fullmatch(user_header) else UNKNOWN
            by_instance, by_user = (claims.instance_id, claims.subject), ""
        case TokenType.USER:
            instance_id, user_id = claims.instance_id or UNKNOWN, claims.subject
            by_instance, by_user = (claims.instance_id, ""), claims.subject
        case _ as unreachable:
            assert_never(unreachable)
    bindings = Bindings(
        _compare(get(facts.REALM_HEADER), (claims.realm,)),
        _compare(get(facts.INSTANCE_HEADER), by_instance),
        _compare(user_header, (by_user,)),
    )
    return Caller(instance_id, user_id, tier, bindings)


def demand(rule: TokenRule, headers: Mapping[str, str]) -> Demand | Denied:
    """Return what the token's scopes must contain, or the refusal of a missing or unknown purpose.

    All unit primitives come from the policy, so that a client cannot invent one.
    """
    match rule.access:
        case AllOf() | AnyOf() | Authenticated() as access:
            return access
        case ByHeader() as access:
            return _demand_by_header(rule, access, headers.get(access.header))
        case _ as unreachable:
            assert_never(unreachable)


def _demand_by_header(rule: TokenRule, access: ByHeader, named: str | None) -> Demand | Denied:
    backend = rule.backend.name
    if not named:
        return Denied(Reason.UNIT_PRIMITIVE_HEADER_MISSING, backend_service=backend, signature_valid=True)
    demanded = access.demands.get(named)
    if demanded is not None:
        return demanded
    if named not in access.known:
        return Denied(Reason.UNIT_PRIMITIVE_NOT_SERVED, backend_service=backend, signature_valid=True)
    text = f"This endpoint cannot be used for {named} purpose"
    return Denied(Reason.UNIT_PRIMITIVE_NOT_SERVED, named, backend, signature_valid=True, text=text)


def decide(
    headers: Mapping[str, str], rule: TokenRule, demanded: Demand | Denied, claims: Claims, caller: Caller
) -> Decision:
    """Decide on a request whose token is valid for the rule's backend.

    It checks, in this order: bound headers, purpose, token type, issuer, claims, scopes, required headers.
    """
    backend = rule.backend.name
    if caller.bindings not in _BINDINGS_THAT_HOLD:
        return _mismatched(headers, rule, claims, caller)
    for bound, binding in compare_bound(headers, rule, claims):
        if binding not in _HOLDS:
            mismatch = Mismatch(headers.get(bound.header, ""), claims.named[bound.claim])
            return Denied(Reason.HEADER_MISMATCH, bound.spelt, backend, signature_valid=True, mismatch=mismatch)
    if isinstance(demanded, Denied):
        return demanded
    issuer = claims.issuer
    if issuer.token_type not in rule.token_types or issuer.name in rule.not_issuers:
        return _forbidden(Reason.TOKEN_TYPE_NOT_ALLOWED, rule, _first(demanded))
    for name, allowed in rule.claims:
        if claims.named.get(name) not in allowed:
            return _forbidden(Reason.CLAIM_NOT_ALLOWED, rule, _first(demanded))
    granted = _granted(demanded, claims)
    if granted is None:
        return _forbidden(Reason.MISSING_SCOPE, rule, _first_missing(demanded, claims))
    for header in rule.required_headers:
        if not headers.get(header.lower()):
            return Denied(Reason.MISSING_HEADER, header, backend, signature_valid=True)
    return Allowed(backend, Identity(granted, issuer.name, caller.tier, caller.instance_id, caller.user_id, claims))


def compare_bound(headers: Mapping[str, str], rule: TokenRule, claims: Claims) -> Iterator[tuple[Bound, Binding]]:
    """Yield each header that issuer or rule binds, with its result; the three of `Bindings` are not among them."""
    for bound in (*claims.issuer.bind, *rule.bind):
        yield bound, _compare(headers.get(bound.header), (claims.named.get(bound.claim, ""),))


def _compare(header: str | None, claims: Iterable[str]) -> Binding:
    """Compare a header with the claims that bind it; one that is absent while a claim is not empty is no match."""
    outcome = Binding.NOT_CHECKED
    for claim in claims:
        if claim:
            if header != claim:
                return Binding.MISMATCH if header else Binding.ABSENT
            outcome = Binding.MATCH
    return outcome


_HOLDS: Final = (Binding.MATCH, Binding.NOT_CHECKED)
_BINDINGS_THAT_HOLD: Final = frozenset(Bindings(*each) for each in product(_HOLDS, repeat=len(Bindings._fields)))
_BOUND_HEADERS: Final = (
    (facts.REALM_HEADER, "X-Gitlab-Realm"),
    (facts.INSTANCE_HEADER, "X-Gitlab-Instance-Id"),
    (facts.USER_HEADER, "X-Gitlab-Global-User-Id"),
)
"""The headers of `Bindings`, in its order, and how messages to clients spell them."""


def _mismatched(headers: Mapping[str, str], rule: TokenRule, claims: Claims, caller: Caller) -> Denied:
    """Return the refusal for the first bound header that contradicts the token or is missing."""
    position = next(index for index, binding in enumerate(caller.bindings) if binding not in _HOLDS)
    header, spelt = _BOUND_HEADERS[position]
    said = headers.get(header, "")
    candidates = ((claims.realm,), (claims.instance_id, claims.subject), (claims.subject,))[position]
    claimed = next(claim for claim in candidates if claim and claim != said)
    mismatch = Mismatch(said, claimed)
    return Denied(Reason.HEADER_MISMATCH, spelt, rule.backend.name, signature_valid=True, mismatch=mismatch)


def _forbidden(reason: Reason, rule: TokenRule, named: str) -> Denied:
    """Return a 403 with the rule's own text, else the usual one; `Forbidden` if no unit primitive is required."""
    text = rule.denied.replace("{unit_primitive}", named) if rule.denied else "" if named else "Forbidden"
    return Denied(reason, named, rule.backend.name, signature_valid=True, text=text)


def _granted(demanded: Demand, claims: Claims) -> str | None:
    """Return the granted unit primitives as the backend reads them, or None if the scopes do not suffice."""
    match demanded:
        case AllOf(names):
            return ",".join(names) if claims.scopes.issuperset(names) else None
        case AnyOf(names):
            return next((name for name in names if name in claims.scopes), None)
        case Authenticated():
            return ""
        case _ as unreachable:
            assert_never(unreachable)


def _first(demanded: Demand) -> str:
    return "" if isinstance(demanded, Authenticated) else demanded.unit_primitives[0]


def _first_missing(demanded: Demand, claims: Claims) -> str:
    """Return the first unit primitive that the token lacks; only for a demand that the token does not meet."""
    names = () if isinstance(demanded, Authenticated) else demanded.unit_primitives
    return next(name for name in names if name not in claims.scopes)
