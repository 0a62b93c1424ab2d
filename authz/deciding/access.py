"""Access: what a valid token may do at an endpoint, by its bound headers, its type and its scopes."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from authz.deciding import facts
from authz.deciding.decision import UNKNOWN, Allowed, Decision, Denied, Identity
from authz.deciding.reasons import Reason
from authz.model import AllOf, AnyOf, ByHeader, Claims, TokenRule, TokenType

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


def demand(rule: TokenRule, headers: Mapping[str, str]) -> AllOf | AnyOf | Reason:
    """Return the unit primitives that a request needs, or why it cannot say.

    All of them stand in the policy, so that a client cannot make up another.
    """
    match rule.access:
        case AllOf() | AnyOf() as access:
            return access
        case ByHeader(header, allowed):
            named = headers.get(header)
            if not named:
                return Reason.UNIT_PRIMITIVE_HEADER_MISSING
            return AllOf((named,)) if named in allowed else Reason.UNIT_PRIMITIVE_NOT_SERVED
        case _ as unreachable:
            assert_never(unreachable)


def decide(
    headers: Mapping[str, str], rule: TokenRule, demanded: AllOf | AnyOf | Reason, claims: Claims, caller: Caller
) -> Decision:
    """Decide on a request whose token is valid for the rule's backend: bound headers, purpose, token type, scopes."""
    backend = rule.backend.name
    mismatch = _first_mismatch(caller.bindings)
    if mismatch is not None:
        return Denied(Reason.HEADER_MISMATCH, mismatch, backend, signature_valid=True)
    if isinstance(demanded, Reason):
        return Denied(demanded, backend_service=backend, signature_valid=True)
    if claims.issuer.token_type not in rule.token_types:
        return Denied(Reason.TOKEN_TYPE_NOT_ALLOWED, demanded.unit_primitives[0], backend, signature_valid=True)
    granted = _granted(demanded, claims)
    if granted is None:
        return Denied(Reason.MISSING_SCOPE, _first_missing(demanded, claims), backend, signature_valid=True)
    for header in rule.required_headers:
        if not headers.get(header.lower()):
            return Denied(Reason.MISSING_HEADER, header, backend, signature_valid=True)
    issuer = claims.issuer.name
    return Allowed(backend, Identity(granted, issuer, caller.tier, caller.instance_id, caller.user_id, claims))


def _compare(header: str | None, claims: Iterable[str]) -> Binding:
    """Compare a header with the claims that bind it; one that is absent while a claim is not empty is no match."""
    outcome = Binding.NOT_CHECKED
    for claim in claims:
        if claim:
            if header != claim:
                return Binding.MISMATCH if header else Binding.ABSENT
            outcome = Binding.MATCH
    return outcome


_HOLDS: Final = frozenset({Binding.MATCH, Binding.NOT_CHECKED})
_SPELLINGS: Final = ("X-Gitlab-Realm", "X-Gitlab-Instance-Id", "X-Gitlab-Global-User-Id")
"""How messages to clients spell the headers of `Bindings`, in its order."""


def _first_mismatch(bindings: Bindings) -> str | None:
    return next((spelt for spelt, each in zip(_SPELLINGS, bindings, strict=True) if each not in _HOLDS), None)


def _granted(demanded: AllOf | AnyOf, claims: Claims) -> str | None:
    """Return the granted unit primitives as the backend reads them, or None if the scopes do not suffice."""
    names = demanded.unit_primitives
    if isinstance(demanded, AnyOf):
        return next((name for name in names if name in claims.scopes), None)
    return ",".join(names) if claims.scopes.issuperset(names) else None


def _first_missing(demanded: AllOf | AnyOf, claims: Claims) -> str:
    return next(name for name in demanded.unit_primitives if name not in claims.scopes)
