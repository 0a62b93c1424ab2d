"""A gRPC client of one worker, on its own connection."""

import time
from pathlib import Path
from types import TracebackType
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.server.health import SERVICE
from tests.support.integration.service import SECONDS
from tests.support.minting import Minter, request

CHECK: Final = f"/{SERVICE}/Check"


def healthy() -> bytes:
    """Return a request that is allowed."""
    return request(token=Minter(now=time.time()).token())


class Caller:
    """Asks the worker behind a Unix socket."""

    def __init__(self, socket: Path) -> None:
        # Its own connection: gRPC shares one among channels with the same options.
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._check = self._channel.unary_unary(CHECK, bytes, bytes)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()

    def answer(self, message: bytes) -> CheckResponse:
        """Return the answer to a CheckRequest. Raises grpc.RpcError without one."""
        return CheckResponse.FromString(self._check(message, timeout=SECONDS))

    def code(self, message: bytes) -> int:
        """Return the code of the answer; 0 allows."""
        code: int = self.answer(message).status.code
        return code

    def is_healthy(self) -> bool:
        """Return whether its health check says SERVING."""
        asked = health_pb2.HealthCheckRequest(service=SERVICE)
        status = self._health.Check(asked, timeout=SECONDS).status
        return bool(status == health_pb2.HealthCheckResponse.SERVING)
