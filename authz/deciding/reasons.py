"""The reasons for an answer, and the status, code and message that a client gets for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a request was allowed or denied: metric label, log field and heading in the docs at once."""

    ALLOWED = "allowed"
    PUBLIC = "public"
    AMBIGUOUS_PATH = "ambiguous_path"
    NO_RULE = "no_rule"
    GONE = "gone"
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
    CLAIM_NOT_ALLOWED = "claim_not_allowed"
    MISSING_SCOPE = "missing_scope"
    MISSING_HEADER = "missing_header"
    NOT_READY = "not_ready"
    INTERNAL_ERROR = "internal_error"


class GrpcCode(IntEnum):
    """The gRPC status codes that we answer with (https://grpc.github.io/grpc/core/md_doc_statuscodes.html)."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets for a reason; `message` may hold one `{}` for a name from the rule."""

    status: int
    code: GrpcCode
    message: str


ANSWERS: Final[Mapping[Reason, Answer]] = {
    Reason.AMBIGUOUS_PATH: Answer(400, GrpcCode.INVALID_ARGUMENT, "Invalid path"),
    Reason.NO_RULE: Answer(404, GrpcCode.NOT_FOUND, "Not found"),
    Reason.GONE: Answer(410, GrpcCode.UNIMPLEMENTED, "Gone"),
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
    Reason.CLAIM_NOT_ALLOWED: Answer(403, GrpcCode.PERMISSION_DENIED, "Unauthorized to access {}"),
    Reason.MISSING_SCOPE: Answer(403, GrpcCode.PERMISSION_DENIED, "Unauthorized to access {}"),
    Reason.MISSING_HEADER: Answer(400, GrpcCode.INVALID_ARGUMENT, "Missing {} header"),
    Reason.NOT_READY: Answer(503, GrpcCode.UNAVAILABLE, "Service unavailable"),
    Reason.INTERNAL_ERROR: Answer(503, GrpcCode.UNAVAILABLE, "Service unavailable"),
}
