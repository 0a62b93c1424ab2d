"""The turns of the one thread: take what the core's queue holds, then answer the checks that have waited longest."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from authz.server.bounds import Bounds
from authz.server.call import Exchange, Line, Stage, turn_away
from authz.server.core import Code, Event, Listener, Queue
from authz.server.health import CHECK, HEALTH, SERVING, WELL_KNOWN

CHECK_SLOTS: Final = 64
OTHER_SLOTS: Final = 16
"""Calls that the core may hand over before the loop looks. It has a line for each kind: health waits for no check."""
MAX_OTHER_CALLS: Final = 64
TAKING_SECONDS: Final = 0.010
ANSWERING_SECONDS: Final = 0.005
"""The longest parts of a turn: turning away must not keep the loop from answering, nor answering from turning away."""
BEAT_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 0.1
"""The longest sleep, so that a flag set by another thread or a signal is soon seen; ten looks a second cost nothing."""
_AT_ONCE: Final = 0.0


class Loop:
    """Answers calls, one after the other, in the order in which they were accepted."""

    def __init__(
        self,
        listener: Listener,
        queue: Queue,
        check: Callable[[bytes], bytes],
        bounds: Bounds,
        beat: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._queue = queue
        self._check = check
        self._max_age = bounds.max_age
        self._beat = beat
        self._refused = refused
        self._waiting: deque[Exchange] = deque()
        self._checks = Line(bounds.max_in_flight, self._waiting.append)
        self._others = Line(MAX_OTHER_CALLS, self._answer_health)
        self._accepts = False
        self._next_beat = 0.0
        self.health = SERVING

    def accept(self) -> None:
        """Ask the core for calls."""
        self._accepts = True
        for _ in range(CHECK_SLOTS):
            self._ask_for_check()
        for _ in range(OTHER_SLOTS):
            self._ask_for_other()

    def accept_no_more(self) -> None:
        """Ask for none; those that the core has handed over already are answered."""
        self._accepts = False

    def in_flight(self) -> int:
        """Return how many checks are open."""
        return len(self._checks)

    def is_busy(self) -> bool:
        """Whether any call is open."""
        return len(self._checks) + len(self._others) > 0

    def turn(self) -> None:
        """Take what has happened, or wait a moment for it, and answer some checks."""
        self._take(_AT_ONCE if self._waiting else time.time() + IDLE_SECONDS)
        now = time.monotonic()
        end = now + ANSWERING_SECONDS
        self._keep_time(now)
        while self._waiting and now < end:
            self._answer_check(self._waiting.popleft(), now)
            now = time.monotonic()

    def _take(self, until: float) -> None:
        event = self._queue.poll(until)
        end = time.monotonic() + TAKING_SECONDS
        while event.tag is not None:
            event.tag(event)
            if time.monotonic() > end:
                return
            event = self._queue.poll(_AT_ONCE)

    def _keep_time(self, now: float) -> None:
        if now >= self._next_beat:
            self._next_beat = now + BEAT_SECONDS
            self._beat()
            self._checks.drop_older_than(self._max_age, now, self._turn_away_late)
            self._others.drop_older_than(self._max_age, now, _refuse_mute)

    def _ask_for_check(self) -> None:
        self._listener.request_registered_call(self._queue, self._queue, CHECK, self._accept_check)

    def _ask_for_other(self) -> None:
        self._listener.request_call(self._queue, self._queue, self._accept_other)

    def _accept_check(self, event: Event) -> None:
        if not event.success:  # a question that the core will answer with no call: it listens no more
            return
        if self._accepts:
            self._ask_for_check()
        if self._checks.is_full():
            self._refused()
            turn_away(event.call, Code.UNAVAILABLE, b"too many checks in flight")
            return
        self._checks.admit(event.call, time.monotonic())

    def _accept_other(self, event: Event) -> None:
        if not event.success:
            return
        if self._accepts:
            self._ask_for_other()
        if event.call_details.method != HEALTH:
            turn_away(event.call, Code.UNIMPLEMENTED, b"no such method")
        elif self._others.is_full():
            turn_away(event.call, Code.UNAVAILABLE, b"too many calls in flight")
        else:
            self._others.admit(event.call, time.monotonic())

    def _answer_health(self, exchange: Exchange) -> None:
        if exchange.message in WELL_KNOWN:
            exchange.answer(self.health)
        else:
            exchange.refuse(Code.NOT_FOUND, b"no such service")

    def _answer_check(self, exchange: Exchange, now: float) -> None:
        if exchange.stage is not Stage.WAITING:  # its client has gone
            return
        if now - exchange.accepted_at > self._max_age:
            self._turn_away_late(exchange)
            return
        try:
            answer = self._check(exchange.message)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  whatever it is, the call must not end as if it had been allowed
            answer = b""
        if answer:
            exchange.answer(answer)
        else:  # an empty CheckResponse would be an allow to Envoy
            exchange.refuse(Code.INTERNAL, b"the check failed")

    def _turn_away_late(self, exchange: Exchange) -> None:
        self._refused()
        exchange.refuse(Code.UNAVAILABLE, b"the check waited too long")


def _refuse_mute(exchange: Exchange) -> None:
    exchange.refuse(Code.UNAVAILABLE, b"the call has no message")
