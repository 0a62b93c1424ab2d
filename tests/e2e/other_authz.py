"""Another service in the place of authz, for answers that ours never gives."""

from __future__ import annotations

from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz._proto.external_auth_pb2 import CheckResponse

SERVICE: Final = "envoy.service.auth.v3.Authorization"


@contextmanager
def other_authz(socket: Path, response: CheckResponse) -> Iterator[None]:
    """Serve one and the same answer to every check while the block runs."""
    answer = response.SerializeToString()

    def check(_: bytes, __: grpc.ServicerContext) -> bytes:
        return answer

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    healthy = health.HealthServicer()
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()
