"""What is served: the names of the calls, and the words of grpc.health.v1."""

from __future__ import annotations

from typing import Final

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE: Final = "envoy.service.auth.v3.Authorization"
CHECK: Final = f"/{SERVICE}/Check"
HEALTH: Final = b"/grpc.health.v1.Health/Check"

# Compared as bytes: a message with one text in it is written in one way, and nothing of a stranger's need be parsed.
WELL_KNOWN: Final = frozenset(bytes(HealthCheckRequest(service=name).SerializeToString()) for name in ("", SERVICE))
"""The questions about the whole server, and about its one service."""
SERVING: Final = bytes(HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString())
NOT_SERVING: Final = bytes(HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString())
