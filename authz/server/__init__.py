"""The gRPC engine around the heart: one thread that moves bytes, and says whether it is well (grpc.health.v1)."""

from __future__ import annotations

from authz.server.bounds import Bounds
from authz.server.engine import Server
from authz.server.services import SERVICE

__all__ = ["SERVICE", "Bounds", "Server"]
