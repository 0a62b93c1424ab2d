"""The gRPC engine around the heart: it moves bytes, and says whether it is well (grpc.health.v1)."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.sockets import AddressUnusableError, make_free

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SERVICE", "Bounds", "Server"]

SERVICE: Final = "envoy.service.auth.v3.Authorization"
THREADS: Final = 4
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_METADATA_BYTES: Final = 16 * 1024
SOCKET_UMASK: Final = 0o117
_OPTIONS: Final = (
    # A second server on the same port must fail, not share it in silence.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    # Envoy pings an idle connection every few seconds; by default that counts as abuse and ends the connection.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Placeholder of the engine's bounds."""

    max_in_flight: int
    max_age: float


def _nothing() -> None:
    """Do nothing."""


class Server:
    """Serves `check`, a function from CheckRequest bytes to CheckResponse bytes that never raises."""

    def __init__(
        self,
        check: Callable[[bytes], bytes],
        bounds: Bounds | None = None,
        beat: Callable[[], None] = _nothing,
        refused: Callable[[], None] = _nothing,
    ) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._grace = 0.0
        self._health = health.HealthServicer()
        self._server = grpc.server(ThreadPoolExecutor(THREADS, "check"), options=_OPTIONS)
        handler = grpc.unary_unary_rpc_method_handler(lambda message, _context: check(message))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": handler}),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def start(self, addresses: Sequence[str]) -> list[str]:
        """Listen on every address, or on none, and return them with the ports that port 0 became.

        Raises AddressUnusableError. Unix sockets are readable and writable for owner and group.
        """
        for address in addresses:
            make_free(address)
        bound = []
        umask = os.umask(SOCKET_UMASK)
        try:
            for address in addresses:
                port = self._server.add_insecure_port(address)
                bound.append(address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}")
            self._server.start()
        except RuntimeError:
            self._server.stop(None)
            raise AddressUnusableError(f"cannot listen on {addresses[len(bound)]}") from None
        finally:
            os.umask(umask)
        for service in ("", SERVICE):
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return bound

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stopped.wait(0.25):
            self._beat()
        self._server.stop(self._grace).wait()

    def drain(self) -> None:
        """Say NOT_SERVING."""
        self._health.enter_graceful_shutdown()

    def stop(self, grace: float) -> None:
        """Take no new request, finish those in flight for up to `grace` seconds, and return."""
        self._grace = grace
        self._stopped.set()

    def in_flight(self) -> int:
        """Return 0."""
        return 0
