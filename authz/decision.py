"""The decision: who may pass, or why not, and what the client is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from authz.model import AllOf, AnyOf, ByHeader, TokenType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.model import Claims, Request, Rule, TokenRule

__all__ = [
    "ANSWERS",
    "UNKNOWN",
    "Allowed",
    "Answer",
    "Decision",
    "Denied",
    "GrpcCode",
    "Identity",
    "Reason",
    "TokenError",
    "credentials",
    "decide",
    "label_denial",
]


class Reason(StrEnum):
    """Why a request was let in or refused: metric label, log field and heading in the docs at once."""

    ALLOWED = "allowed"
    PUBLIC = "public"
    AMBIGUOUS_PATH = "ambiguous_path"
    NO_RULE = "no_rule"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BACKEND_DISAGREEMENT = "backend_disagreement"
    MISSING_AUTHORIZATION = "missing_authorization"
    MALFORMED_AUTHORIZATION = "malformed_authorization"
    UNSUPPORTED_AUTHENTICATION_TYPE = "unsupported_authentication_type"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  the name of a reason
    HEADER_MISMATCH = "header_mismatch"
    UNIT_PRIMITIVE_HEADER_MISSING = "unit_primitive_header_missing"
    UNIT_PRIMITIVE_NOT_SERVED = "unit_primitive_not_served"
    TOKEN_TYPE_NOT_ALLOWED = "token_type_not_allowed"  # noqa: S105  the name of a reason
    MISSING_SCOPE = "missing_scope"
    MISSING_HEADER = "missing_header"
    NOT_READY = "not_ready"
    INTERNAL_ERROR = "internal_error"


class TokenError(StrEnum):
    """Why a token was refused. For logs and metrics; a client never learns it."""

    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    FORBIDDEN_HEADER = "forbidden_header"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_REALM = "wrong_realm"
    MISSING_CLAIM = "missing_claim"
    INVALID_CLAIM = "invalid_claim"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    UNTRUSTED_CERTIFICATE = "untrusted_certificate"
    REVOKED = "revoked"


class GrpcCode(IntEnum):
    """The gRPC status codes that we answer with (https://grpc.github.io/grpc/core/md_doc_statuscodes.html)."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reason looks like from outside; `message` may hold one `{}` for a name taken from the rule."""

    status: int
    code: GrpcCode
    message: str


ANSWERS: Final[Mapping[Reason, Answer]] = {
    Reason.AMBIGUOUS_PATH: Answer(400, GrpcCode.INVALID_ARGUMENT, "Invalid path"),
    Reason.NO_RULE: Answer(404, GrpcCode.NOT_FOUND, "Not found"),
    Reason.METHOD_NOT_ALLOWED: Answer(405, GrpcCode.INVALID_ARGUMENT, "Method not allowed"),
    Reason.BACKEND_DISAGREEMENT: Answer(403, GrpcCode.PERMISSION_DENIED, "Forbidden"),
    Reason.MISSING_AUTHORIZATION: Answer(401, GrpcCode.UNAUTHENTICATED, "No authorization header presented"),
    Reason.MALFORMED_AUTHORIZATION: Answer(401, GrpcCode.UNAUTHENTICATED, "Invalid authorization header"),
    Reason.UNSUPPORTED_AUTHENTICATION_TYPE: Answer(
        401, GrpcCode.UNAUTHENTICATED, "Invalid authentication token type - only OIDC is supported"
    ),
    Reason.INVALID_TOKEN: Answer(401, GrpcCode.UNAUTHENTICATED, "Forbidden by auth provider"),
    Reason.HEADER_MISMATCH: Answer(401, GrpcCode.UNAUTHENTICATED, "Header mismatch '{}'"),
    Reason.UNIT_PRIMITIVE_HEADER_MISSING: Answer(
        400, GrpcCode.INVALID_ARGUMENT, "Missing x-gitlab-unit-primitive header"
    ),
    Reason.UNIT_PRIMITIVE_NOT_SERVED: Answer(
        400, GrpcCode.INVALID_ARGUMENT, "This endpoint cannot be used for this purpose"
    ),
    Reason.TOKEN_TYPE_NOT_ALLOWED: Answer(403, GrpcCode.PERMISSION_DENIED, "Unauthorized to access {}"),
    Reason.MISSING_SCOPE: Answer(403, GrpcCode.PERMISSION_DENIED, "Unauthorized to access {}"),
    Reason.MISSING_HEADER: Answer(400, GrpcCode.INVALID_ARGUMENT, "Missing {} header"),
    Reason.NOT_READY: Answer(503, GrpcCode.UNAVAILABLE, "Service unavailable"),
    Reason.INTERNAL_ERROR: Answer(503, GrpcCode.UNAVAILABLE, "Service unavailable"),
}


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
    instance_id, user_id = claims.instance_id, claims.subject
    if claims.issuer.token_type is TokenType.INSTANCE:
        instance_id = instance_id or claims.subject
        claimed = request.headers.get("x-gitlab-global-user-id", "")
        user_id = claimed if _USER_ID.fullmatch(claimed) else UNKNOWN
    return Identity(granted, claims.issuer.name, tier, instance_id or UNKNOWN, user_id, claims)
