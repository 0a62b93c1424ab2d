"""Runs a stub in place of authz, for answers that ours never gives."""

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.serving.supervision.endpoints import EndpointsFile

SERVICE: Final = "envoy.service.auth.v3.Authorization"


@dataclass(frozen=True, slots=True)
class StubAuthz:
    """Gives the same answer to every check, once `may_answer` is set."""

    response: CheckResponse
    may_answer: threading.Event = field(default_factory=threading.Event)
    checks: list[bytes] = field(default_factory=list)

    def check(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """Record the check, wait until it may answer, and answer."""
        self.checks.append(request)
        self.may_answer.wait()
        return self.response.SerializeToString()


def bootstrap_edits(socket: Path) -> tuple[tuple[str, str], ...]:
    """Return the edits of a bootstrap that make its Envoy ask the service on this socket."""
    endpoints = EndpointsFile(socket.with_suffix(".json"))
    endpoints.write([f"unix:{socket}"])
    return (("path: run/authz/endpoints.json", f"path: {socket.with_suffix('.json')}"),)


@contextmanager
def serving(authz: StubAuthz, socket: Path) -> Iterator[None]:
    """Listen while the block runs; answer the checks that still wait at its end."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    healthy = health.HealthServicer()
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(authz.check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        authz.may_answer.set()
        server.stop(grace=None).wait()
