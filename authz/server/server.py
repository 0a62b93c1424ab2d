"""The gRPC server: listens, answers in one thread, drains and stops."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from authz.server.addresses import AddressUnusableError
from authz.server.core import Event, make_listener, make_queue
from authz.server.grpc_tls import is_admitted, port_credentials, tls_options
from authz.server.health import CHECK, NOT_SERVING
from authz.server.listener import OPTIONS, listen
from authz.server.loop import Bounds, Loop
from authz.server.tls import Security

LINGER_SECONDS: Final = 0.5
"""How long to wait for clients to close after the last answer; a silent client never does."""
CLOSE_SECONDS: Final = 1.0
"""How long gRPC may take to close connections; it usually takes milliseconds."""


class Server:
    """Serves `check`, a function from CheckRequest bytes to CheckResponse bytes, in the one thread that calls `run`.

    The loop calls `beat` at least four times a second, so a loop that hangs gives no beat. It calls `refused` for each
    check that the bounds refused. With `security`, TCP listeners have TLS, and answer only the clients that it admits.
    """

    def __init__(
        self,
        check: Callable[[bytes], bytes],
        bounds: Bounds,
        beat: Callable[[], None],
        refused: Callable[[], None],
        security: Security | None = None,
    ) -> None:
        self._queue = make_queue()
        self._secured = None if security is None else partial(port_credentials, security.credentials)
        self._listener = make_listener(OPTIONS if security is None else (*OPTIONS, *tls_options(security)))
        admits = None if security is None else partial(is_admitted, security=security)
        self._loop = Loop(self._listener, self._queue, check, bounds, beat, refused, admits)
        self._grace: float | None = None
        self._is_closed = False

    def start(self, addresses: Sequence[str]) -> list[str]:
        """Listen on every address, or on none; return the addresses with the real port where port 0 was asked for.

        Raises AddressUnusableError. Unix sockets are readable and writable for owner and group.
        """
        self._listener.register_completion_queue(self._queue)
        self._listener.register_method(CHECK)
        try:
            bound = listen(self._listener, addresses, self._secured)
        except AddressUnusableError:
            self._listener.start()  # gRPC releases the addresses only after a start
            self._close_listeners()
            self._end()
            raise
        self._listener.start()
        self._loop.accept()
        return bound

    def run(self) -> None:
        """Answer until `stop`. Raises what `beat` or `refused` raises, and KeyboardInterrupt."""
        while self._grace is None:
            self._loop.turn()
        self._loop.stop_accepting()
        self._close_listeners()
        self._finish(self._grace)
        self._end()

    def drain(self) -> None:
        """Report NOT_SERVING from now on, but go on serving. Any thread or signal handler may call it."""
        self._loop.health = NOT_SERVING

    def stop(self, grace: float) -> None:
        """Accept no new call, finish those in flight within `grace` seconds, and let `run` return.

        Does not wait. Any thread or signal handler may call it.
        """
        self._loop.health = NOT_SERVING
        self._grace = grace

    def in_flight(self) -> int:
        """Return how many checks are accepted and not yet answered."""
        return self._loop.in_flight()

    def _close_listeners(self) -> None:
        self._listener.shutdown(self._queue, self._closed)

    def _closed(self, _event: Event) -> None:
        self._is_closed = True

    def _finish(self, grace: float) -> None:
        """Answer the calls in flight, and wait a moment for clients to close their connections."""
        now = time.monotonic()
        end, last_busy = now + grace, now
        while not self._is_closed and now <= end and now <= last_busy + LINGER_SECONDS:
            self._loop.turn()
            now = time.monotonic()
            if self._loop.is_busy():
                last_busy = now

    def _end(self) -> None:
        """Close the remaining connections, and free gRPC's memory if it finishes in time."""
        if not self._is_closed:
            self._listener.cancel_all_calls()
        end = time.time() + CLOSE_SECONDS
        while not self._is_closed and self._poll(end):
            pass
        self._queue.shutdown()
        while self._poll(end):
            pass
        if self._is_closed:
            self._listener.destroy()

    def _poll(self, end: float) -> bool:
        """Handle one event; return False at the end of the queue, or when the time is over."""
        event = self._queue.poll(end)
        if event.tag is not None:
            event.tag(event)
        return event.tag is not None
