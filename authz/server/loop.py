"""The loop of the one serving thread: takes events from gRPC's queue, then answers the checks that waited longest."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authz.server.call import OpenCall, OpenCalls, Stage, turn_away
from authz.server.core import Call, Code, Event, Listener, Queue
from authz.server.health import CHECK, HEALTH, KNOWN_SERVICES, SERVING

CHECK_SLOTS: Final = 64
OTHER_SLOTS: Final = 16
"""How many calls of each kind gRPC may hand over at once; health calls do not wait behind checks."""
MAX_OTHER_CALLS: Final = 64
TAKING_SECONDS: Final = 0.010
ANSWERING_SECONDS: Final = 0.005
"""The longest time a turn takes events, and answers checks: neither may keep the loop from the other."""
BEAT_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 0.1
"""The longest sleep: another thread or a signal handler may have set a flag. Ten turns a second cost nothing."""
NOT_ADMITTED: Final = b"the client's certificate has no name that may ask"
_AT_ONCE: Final = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many checks may be open at once, and how many seconds a check may wait for its turn."""

    max_in_flight: int
    max_age: float


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
        admits: Callable[[Call], bool] | None = None,
    ) -> None:
        self._listener = listener
        self._queue = queue
        self._check = check
        self._max_age = bounds.max_age
        self._beat = beat
        self._refused = refused
        self._admits = admits
        self._waiting: deque[OpenCall] = deque()
        self._checks = OpenCalls(bounds.max_in_flight, self._waiting.append)
        self._others = OpenCalls(MAX_OTHER_CALLS, self._answer_health)
        self._accepts = False
        self._next_beat = 0.0
        self.health = SERVING

    def accept(self) -> None:
        """Ask gRPC for calls."""
        self._accepts = True
        for _ in range(CHECK_SLOTS):
            self._ask_for_check()
        for _ in range(OTHER_SLOTS):
            self._ask_for_other()

    def stop_accepting(self) -> None:
        """Ask for no more calls; those that gRPC has handed over already are answered."""
        self._accepts = False

    def in_flight(self) -> int:
        """Return how many checks are open."""
        return len(self._checks)

    def is_busy(self) -> bool:
        """Whether any call is open."""
        return len(self._checks) + len(self._others) > 0

    def turn(self) -> None:
        """Handle the events that are there, or wait a moment for one, and answer some checks."""
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
            self._checks.drop_older_than(self._max_age, now, self._refuse_late)
            self._others.drop_older_than(self._max_age, now, _refuse_without_message)

    def _ask_for_check(self) -> None:
        self._listener.request_registered_call(self._queue, self._queue, CHECK, self._accept_check)

    def _ask_for_other(self) -> None:
        self._listener.request_call(self._queue, self._queue, self._accept_other)

    def _accept_check(self, event: Event) -> None:
        if not event.success:  # gRPC has stopped listening and hands over no call
            return
        if self._accepts:
            self._ask_for_check()
        if self._admits is not None and not self._admits(event.call):
            turn_away(event.call, Code.PERMISSION_DENIED, NOT_ADMITTED)
            return
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
        if self._admits is not None and not self._admits(event.call):
            turn_away(event.call, Code.PERMISSION_DENIED, NOT_ADMITTED)
        elif event.call_details.method != HEALTH:
            turn_away(event.call, Code.UNIMPLEMENTED, b"no such method")
        elif self._others.is_full():
            turn_away(event.call, Code.UNAVAILABLE, b"too many calls in flight")
        else:
            self._others.admit(event.call, time.monotonic())

    def _answer_health(self, call: OpenCall) -> None:
        if call.message in KNOWN_SERVICES:
            call.answer(self.health)
        else:
            call.refuse(Code.NOT_FOUND, b"no such service")

    def _answer_check(self, call: OpenCall, now: float) -> None:
        if call.stage is not Stage.WAITING:  # the client has left
            return
        if now - call.accepted_at > self._max_age:
            self._refuse_late(call)
            return
        try:
            answer = self._check(call.message)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  whatever it is, the call must not end as an allow
            answer = b""
        if answer:
            call.answer(answer)
        else:  # Envoy takes an empty CheckResponse for an allow
            call.refuse(Code.INTERNAL, b"the check failed")

    def _refuse_late(self, call: OpenCall) -> None:
        self._refused()
        call.refuse(Code.UNAVAILABLE, b"the check waited too long")


def _refuse_without_message(call: OpenCall) -> None:
    call.refuse(Code.UNAVAILABLE, b"the call has no message")
