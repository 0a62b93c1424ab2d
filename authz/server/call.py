"""A call from its acceptance to its end, and the line of calls of one kind that are open."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from authz.server.core import (
    Call,
    Code,
    Event,
    Operation,
    receive_close,
    receive_message,
    send_headers,
    send_message,
    send_status,
)

SEND_SECONDS: Final = 5.0
"""A client that takes no answer for that long is given up."""


class Stage(Enum):
    """Where a call stands."""

    RECEIVING = auto()
    WAITING = auto()
    SENDING = auto()
    OVER = auto()


class Line:
    """The open calls of one kind, oldest first. `take` is handed each one whose message has arrived."""

    __slots__ = ("_limit", "_open", "_take")

    def __init__(self, limit: int, take: Callable[[Exchange], None]) -> None:
        self._limit = limit
        self._take = take
        self._open: dict[Exchange, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def is_full(self) -> bool:
        """Whether another call would be one too many."""
        return len(self._open) >= self._limit

    def admit(self, call: Call, now: float) -> None:
        """Accept a call at that time of a clock that never goes back."""
        exchange = Exchange(call, now, self._take, self._leave)
        self._open[exchange] = None
        exchange.begin()

    def drop_older_than(self, seconds: float, now: float, late: Callable[[Exchange], None]) -> None:
        """Hand to `late` what has sent no message for so long, and give up what has not taken its answer."""
        for exchange in list(self._open):
            age = now - exchange.accepted_at
            if age <= seconds:
                return
            if exchange.stage is Stage.RECEIVING:
                late(exchange)
            elif exchange.stage is Stage.SENDING and age > seconds + SEND_SECONDS:
                exchange.give_up()

    def _leave(self, exchange: Exchange) -> None:
        del self._open[exchange]


class Exchange:
    """One call: its message is received, then it waits for its turn, then exactly one answer is sent."""

    __slots__ = ("_call", "_leave", "_take", "accepted_at", "message", "stage")

    def __init__(
        self, call: Call, now: float, take: Callable[[Exchange], None], leave: Callable[[Exchange], None]
    ) -> None:
        self._call = call
        self._take = take
        self._leave = leave
        self.accepted_at = now
        self.message = b""
        self.stage = Stage.RECEIVING

    def begin(self) -> None:
        """Ask for the message, and to hear of the end."""
        self._call.start_server_batch((receive_close(),), self._closed)
        self._call.start_server_batch((receive_message(),), self._received)

    def answer(self, message: bytes) -> None:
        """Send an answer, whole: a client sees it and its status, or neither."""
        self._send((send_headers(), send_message(message), send_status(Code.OK, b"")))

    def refuse(self, code: int, details: bytes) -> None:
        """Send a status without an answer."""
        self._send((send_headers(), send_status(code, details)))

    def give_up(self) -> None:
        """End the call here; what is on its way may or may not arrive."""
        self._call.cancel()

    def _send(self, operations: tuple[Operation, ...]) -> None:
        self.stage = Stage.SENDING
        self.message = b""
        self._call.start_server_batch(operations, self._sent)

    def _received(self, event: Event) -> None:
        if self.stage is not Stage.RECEIVING:
            return
        message = event.batch_operations[0].message()
        if message is None:
            self.refuse(Code.INVALID_ARGUMENT, b"the call has no message")
            return
        self.stage = Stage.WAITING
        self.message = message
        self._take(self)

    def _sent(self, _event: Event) -> None:
        self._end()

    def _closed(self, _event: Event) -> None:
        # Of an answer on its way _sent tells. Here the client has gone before there was one: it needs none.
        if self.stage is not Stage.SENDING and self.stage is not Stage.OVER:
            self._end()

    def _end(self) -> None:
        self.stage = Stage.OVER
        self.message = b""
        self._leave(self)


def turn_away(call: Call, code: int, details: bytes) -> None:
    """Refuse a call that was never admitted."""
    call.start_server_batch((send_headers(), receive_close(), send_status(code, details)), _ignore)


def _ignore(_event: Event) -> None:
    """Nothing waits for it."""
