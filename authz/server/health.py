"""The names of the gRPC methods, and the health answers (grpc.health.v1) as bytes."""

from typing import Final

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE: Final = "envoy.service.auth.v3.Authorization"
CHECK: Final = f"/{SERVICE}/Check"
HEALTH: Final = b"/grpc.health.v1.Health/Check"

# Requests are compared as bytes: a message with one text has one encoding, so nothing of a client's is parsed.
KNOWN_SERVICES: Final = frozenset(bytes(HealthCheckRequest(service=name).SerializeToString()) for name in ("", SERVICE))
"""The health requests about the whole server and about its one service."""
SERVING: Final = bytes(HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString())
NOT_SERVING: Final = bytes(HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString())
