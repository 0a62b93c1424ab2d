"""One open call, from the moment it is accepted to its end, and all open calls of one kind."""

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
"""How long a client may take to receive its answer; after that the call is cancelled."""


class Stage(Enum):
    """How far a call is."""

    RECEIVING = auto()
    WAITING = auto()
    SENDING = auto()
    OVER = auto()


class OpenCalls:
    """The open calls of one kind, oldest first. `take` gets each call whose message has arrived."""

    __slots__ = ("_limit", "_open", "_take")

    def __init__(self, limit: int, take: "Callable[[OpenCall], None]") -> None:
        self._limit = limit
        self._take = take
        self._open: dict[OpenCall, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._open) >= self._limit

    def admit(self, call: Call, now: float) -> None:
        """Accept a call; `now` is a time of the monotonic clock."""
        exchange = OpenCall(call, now, self._take, self._leave)
        self._open[exchange] = None
        exchange.begin()

    def drop_older_than(self, seconds: float, now: float, late: "Callable[[OpenCall], None]") -> None:
        """Pass to `late` each call that sent no message in time, and cancel each that did not take its answer."""
        for exchange in list(self._open):
            age = now - exchange.accepted_at
            if age <= seconds:
                return
            if exchange.stage is Stage.RECEIVING:
                late(exchange)
            elif exchange.stage is Stage.SENDING and age > seconds + SEND_SECONDS:
                exchange.cancel()

    def _leave(self, exchange: "OpenCall") -> None:
        del self._open[exchange]


class OpenCall:
    """One call: it receives its message, waits for its turn, and sends exactly one answer."""

    __slots__ = ("_call", "_leave", "_take", "accepted_at", "message", "stage")

    def __init__(
        self, call: Call, now: float, take: "Callable[[OpenCall], None]", leave: "Callable[[OpenCall], None]"
    ) -> None:
        self._call = call
        self._take = take
        self._leave = leave
        self.accepted_at = now
        self.message = b""
        self.stage = Stage.RECEIVING

    def begin(self) -> None:
        """Ask gRPC for the message, and for an event at the end of the call."""
        self._call.start_server_batch((receive_close(),), self._closed)
        self._call.start_server_batch((receive_message(),), self._received)

    def answer(self, message: bytes) -> None:
        """Send an answer: the client sees both the answer and its status, or neither."""
        self._send((send_headers(), send_message(message), send_status(Code.OK, b"")))

    def refuse(self, code: int, details: bytes) -> None:
        """Send a status without an answer."""
        self._send((send_headers(), send_status(code, details)))

    def cancel(self) -> None:
        """Cancel the call; an answer that is being sent may or may not arrive."""
        self._call.cancel()

    def _send(self, operations: tuple[Operation, ...]) -> None:
        self.stage = Stage.SENDING
        self.message = b""
        self._call.start_server_batch(operations, self._end)

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

    def _closed(self, event: Event) -> None:
        # While an answer is being sent, the event of that is the end. Here the client left before it had an answer.
        if self.stage is not Stage.SENDING and self.stage is not Stage.OVER:
            self._end(event)

    def _end(self, _event: Event) -> None:
        self.stage = Stage.OVER
        self.message = b""
        self._leave(self)


def turn_away(call: Call, code: int, details: bytes) -> None:
    """Refuse a call that was not admitted."""
    call.start_server_batch((send_headers(), receive_close(), send_status(code, details)), lambda _event: None)
