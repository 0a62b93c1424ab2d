"""The decision: who may pass, or why not, and what the client is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, assert_never

from authz.deciding.reasons import ANSWERS, Answer, Reason, TokenError
from authz.model import AllOf, AnyOf, ByHeader, Claims, Request, Rule, TokenRule, TokenType


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal. `named` fills the message and comes from the rule, never from the client.

    `methods` are those that a 405 offers; `signature_valid` says that a known issuer did sign the token.
    """

    reason: Reason
    named: str = ""
    backend_service: str | None = None
    methods: tuple[str, ...] = ()
    token_error: TokenError | None = None
    signature_valid: bool = False

    @property
    def answer(self) -> Answer:
        """Status, code and message for this reason."""
        return ANSWERS[self.reason]

    @property
    def message(self) -> str:
        """The fixed text that the client reads."""
        return self.answer.message.format(self.named)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token proves the caller to be, and which limits count for it; values from the token alone.

    The one exception is `user_id` under an instance token: the header's value, information and not proof.
    """

    unit_primitive: str
    issuer: str
    tier: str
    instance_id: str
    user_id: str
    claims: Claims


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may pass; `identity` is None on a public endpoint."""

    backend_service: str
    identity: Identity | None

    @property
    def reason(self) -> Reason:
        """`public` where nobody was identified."""
        return Reason.PUBLIC if self.identity is None else Reason.ALLOWED


Decision = Allowed | Denied

REALM_HEADER: Final = "X-Gitlab-Realm"
INSTANCE_HEADER: Final = "X-Gitlab-Instance-Id"
USER_HEADER: Final = "X-Gitlab-Global-User-Id"
UNKNOWN: Final = "unknown"

_BEARER = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE | re.ASCII)
_USER_ID = re.compile(r"[A-Za-z0-9+/=_.:-]{1,128}")


def label_denial(request: Request, rule: Rule) -> Denied | None:
    """Refuse a request that Envoy's route would take to another backend than the one its rule speaks of."""
    if request.label == rule.backend.name:
        return None
    return Denied(Reason.BACKEND_DISAGREEMENT, backend_service=rule.backend.name)


def credentials(request: Request, rule: TokenRule) -> str | Denied:
    """Return the token that the request presents, not yet looked into."""
    backend = rule.backend.name
    authorization = request.headers.get("authorization")
    if not authorization:
        return Denied(Reason.MISSING_AUTHORIZATION, backend_service=backend)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        return Denied(Reason.MALFORMED_AUTHORIZATION, backend_service=backend)
    if request.headers.get("x-gitlab-authentication-type") != "oidc":
        return Denied(Reason.UNSUPPORTED_AUTHENTICATION_TYPE, backend_service=backend)
    return bearer[1]


def decide(request: Request, rule: TokenRule, claims: Claims, tier: str) -> Decision:
    """Judge a request whose token is valid for the rule's backend: bound headers, purpose, token type, scopes."""
    backend = rule.backend.name
    mismatch = _mismatched_header(request, claims)
    if mismatch is not None:
        return Denied(Reason.HEADER_MISMATCH, mismatch, backend, signature_valid=True)
    wanted = _wanted(request, rule)
    if isinstance(wanted, Reason):
        return Denied(wanted, backend_service=backend, signature_valid=True)
    if claims.issuer.token_type not in rule.token_types:
        return Denied(Reason.TOKEN_TYPE_NOT_ALLOWED, wanted.unit_primitives[0], backend, signature_valid=True)
    granted = _granted(wanted, claims)
    if granted is None:
        return Denied(Reason.MISSING_SCOPE, _first_missing(wanted, claims), backend, signature_valid=True)
    for header in rule.required_headers:
        if not request.headers.get(header.lower()):
            return Denied(Reason.MISSING_HEADER, header, backend, signature_valid=True)
    return Allowed(backend, _identify(request, claims, granted, tier))


def _mismatched_header(request: Request, claims: Claims) -> str | None:
    get = request.headers.get
    if claims.realm and get("x-gitlab-realm") != claims.realm:
        return REALM_HEADER
    if claims.instance_id and get("x-gitlab-instance-id") != claims.instance_id:
        return INSTANCE_HEADER
    match claims.issuer.token_type:
        case TokenType.INSTANCE:
            return None if get("x-gitlab-instance-id") == claims.subject else INSTANCE_HEADER
        case TokenType.USER:
            return None if get("x-gitlab-global-user-id") == claims.subject else USER_HEADER
        case _ as unreachable:
            assert_never(unreachable)


def _wanted(request: Request, rule: TokenRule) -> AllOf | AnyOf | Reason:
    """Return the unit primitives that this request needs, or why it cannot say."""
    match rule.access:
        case AllOf() | AnyOf() as access:
            return access
        case ByHeader(header, allowed):
            named = request.headers.get(header)
            if not named:
                return Reason.UNIT_PRIMITIVE_HEADER_MISSING
            return AllOf((named,)) if named in allowed else Reason.UNIT_PRIMITIVE_NOT_SERVED
        case _ as unreachable:
            assert_never(unreachable)


def _granted(wanted: AllOf | AnyOf, claims: Claims) -> str | None:
    """Return what the backend is told was granted, or None if the scopes do not suffice."""
    names = wanted.unit_primitives
    if isinstance(wanted, AnyOf):
        return next((name for name in names if name in claims.scopes), None)
    return ",".join(names) if claims.scopes.issuperset(names) else None


def _first_missing(wanted: AllOf | AnyOf, claims: Claims) -> str:
    return next(name for name in wanted.unit_primitives if name not in claims.scopes)


def _identify(request: Request, claims: Claims, granted: str, tier: str) -> Identity:
    instance_id, user_id = caller(request, claims)
    return Identity(granted, claims.issuer.name, tier, instance_id, user_id, claims)


def caller(request: Request, claims: Claims) -> tuple[str, str]:
    """Return instance and user of a token, `unknown` where it names none; see `Identity` for what is proven."""
    instance_id, user_id = claims.instance_id, claims.subject
    if claims.issuer.token_type is TokenType.INSTANCE:
        instance_id = instance_id or claims.subject
        claimed = request.headers.get("x-gitlab-global-user-id", "")
        user_id = claimed if _USER_ID.fullmatch(claimed) else UNKNOWN
    return instance_id or UNKNOWN, user_id
