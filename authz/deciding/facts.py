"""The names of what authz tells Envoy about a request, and of the headers that clients send with it."""

from typing import Final

NAMESPACE: Final = "envoy.filters.http.ext_authz"
"""The namespace of dynamic metadata under which Envoy keeps these facts."""

OUTCOME: Final = "outcome"
REASON: Final = "reason"
BACKEND_SERVICE: Final = "backend_service"
"""Also the key of a route's `context_extensions`, by which it names its backend service."""
UNIT_PRIMITIVE: Final = "unit_primitive"
TOKEN_TYPE: Final = "token_type"  # noqa: S105  the name of a fact
ISSUER: Final = "issuer"
REALM: Final = "realm"
TIER: Final = "tier"
INSTANCE_ID: Final = "instance_id"
USER_ID: Final = "user_id"
LIMITED_INSTANCE_ID: Final = "limited_instance_id"
LIMITED_NAMESPACE_ID: Final = "limited_namespace_id"
AUTH_OUTCOME: Final = "auth_outcome"

ALLOWED: Final = "allowed"
DENIED: Final = "denied"
"""The values of `outcome`."""
FAILED: Final = "failed"
"""The value of `auth_outcome`, which is only there where no valid signature was seen."""

AUTHORIZED_UNIT_PRIMITIVE: Final = "x-gitlab-authorized-unit-primitive"
AUTHORIZED_INSTANCE_ID: Final = "x-gitlab-authorized-instance-id"
AUTHORIZED_USER_ID: Final = "x-gitlab-authorized-user-id"
AUTHORIZED_REALM: Final = "x-gitlab-authorized-realm"
"""What the backend may believe: Envoy removes these headers from every client's request first."""

STREAM_DURATION: Final = "x-envoy-upstream-stream-duration-ms"
"""Tells Envoy's router how long a stream may last. Envoy removes it from every client's request first."""

AUTHORIZATION: Final = "authorization"
AUTHENTICATION_TYPE: Final = "x-gitlab-authentication-type"
REALM_HEADER: Final = "x-gitlab-realm"
INSTANCE_HEADER: Final = "x-gitlab-instance-id"
USER_HEADER: Final = "x-gitlab-global-user-id"
UNIT_PRIMITIVE_HEADER: Final = "x-gitlab-unit-primitive"
SEATS_HEADER: Final = "x-gitlab-duo-seat-count"
REQUEST_ID: Final = "x-request-id"
READ_HEADERS: Final = (
    AUTHORIZATION,
    "content-type",  # tells gRPC clients from others
    REQUEST_ID,
    "traceparent",  # authz's spans continue the caller's trace
    AUTHENTICATION_TYPE,
    REALM_HEADER,
    INSTANCE_HEADER,
    USER_HEADER,
    UNIT_PRIMITIVE_HEADER,
    SEATS_HEADER,
)
"""The headers that authz reads of every request, beside those that rules and issuers name."""
SECRET_HEADERS: Final = frozenset(
    {
        AUTHORIZATION,
        "cookie",
        "deploy-token",
        "job-token",
        "private-token",
        "proxy-authorization",
        "x-api-key",
        "x-gitlab-oauth-token",
        "x-goog-api-key",
    }
)
"""Headers that hold credentials: no policy may name them, and no log may show them."""
