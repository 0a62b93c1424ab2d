"""The server from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from authz.server.addresses import AddressUnusableError
from authz.server.bounds import Bounds
from authz.server.core import Event, make_queue
from authz.server.health import CHECK, NOT_SERVING
from authz.server.listener import listen, new_listener
from authz.server.loop import Loop

LINGER_SECONDS: Final = 0.5
"""So long may clients take to close their connections once all is answered; one that says nothing never does."""
CLOSE_SECONDS: Final = 1.0
"""What the core takes to cut connections is a matter of milliseconds; past that it is left alone."""


class Server:
    """Serves `check`, a function from CheckRequest bytes to CheckResponse bytes, in the one thread that calls `run`.

    `beat` is called at least four times a second by the loop itself: where it hangs, there is no beat. `refused` is
    called for each check that the bounds turned away.
    """

    def __init__(
        self,
        check: Callable[[bytes], bytes],
        bounds: Bounds,
        beat: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._queue = make_queue()
        self._listener = new_listener()
        self._loop = Loop(self._listener, self._queue, check, bounds, beat, refused)
        self._grace: float | None = None
        self._is_closed = False

    def start(self, addresses: Sequence[str]) -> list[str]:
        """Listen on every address, or on none, and return them with the ports that port 0 became.

        Raises AddressUnusableError. Unix sockets are readable and writable for owner and group.
        """
        self._listener.register_completion_queue(self._queue)
        self._listener.register_method(CHECK)
        try:
            bound = listen(self._listener, addresses)
        except AddressUnusableError:
            self._listener.start()  # the core gives addresses back only after a start
            self._close_listeners()
            self._end()
            raise
        self._listener.start()
        self._loop.accept()
        return bound

    def run(self) -> None:
        """Answer until `stop`. What `beat` or `refused` raises comes out here, and so does KeyboardInterrupt."""
        while self._grace is None:
            self._loop.turn()
        self._loop.accept_no_more()
        self._close_listeners()
        self._finish(self._grace)
        self._end()

    def drain(self) -> None:
        """Say NOT_SERVING from now on, and serve. For any thread, and for signal handlers."""
        self._loop.health = NOT_SERVING

    def stop(self, grace: float) -> None:
        """Take no new call, finish those in flight within `grace` seconds, and let `run` return; wait for nothing here.

        For any thread, and for signal handlers.
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
        """Answer what is in flight, and let clients go; connections are no calls and hold nobody up."""
        now = time.monotonic()
        end, last_busy = now + grace, now
        while not self._is_closed and now <= end and now <= last_busy + LINGER_SECONDS:
            self._loop.turn()
            now = time.monotonic()
            if self._loop.is_busy():
                last_busy = now

    def _end(self) -> None:
        """Cut what is left, and give the core's memory back where it lets go in time."""
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
        """Take one event; False at the end of the queue, or of the time."""
        event = self._queue.poll(end)
        if event.tag is not None:
            event.tag(event)
        return event.tag is not None
