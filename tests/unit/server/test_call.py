"""The states of a call from acceptance to end, step by step, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from authz.server.call import SEND_SECONDS, OpenCall, OpenCalls, Stage
from authz.server.core import Call, Event, Operation, Tag


@dataclass(slots=True)
class FakeCall:
    """Records the requests to it, in order."""

    tags: list[Tag] = field(default_factory=list)
    cancelled: int = 0

    def start_server_batch(self, _operations: Sequence[Operation], tag: Tag) -> int:
        self.tags.append(tag)
        return 0

    def cancel(self) -> int:
        self.cancelled += 1
        return 0


@dataclass(slots=True)
class FakeEvent:
    """An event with one message, or none."""

    content: bytes | None = None

    @property
    def batch_operations(self) -> "list[FakeEvent]":
        return [self]

    def message(self) -> bytes | None:
        return self.content


CLOSED, RECEIVED, SENT = 0, 1, 2
"""The indices of a call's events, in the order in which it requests them."""


@dataclass(slots=True)
class Recorded:
    """A line, and the calls that it has handed on."""

    taken: list[OpenCall] = field(default_factory=list)
    late: list[OpenCall] = field(default_factory=list)

    def line(self, limit: int = 10) -> OpenCalls:
        return OpenCalls(limit, self.taken.append)


def complete(call: FakeCall, which: int, content: bytes | None = None) -> None:
    call.tags[which](cast("Event", FakeEvent(content)))  # the attributes of an event depend on its kind


def admitted(line: OpenCalls, now: float = 0.0) -> FakeCall:
    call = FakeCall()
    line.admit(cast("Call", call), now)
    return call


def test_a_call_is_counted_until_its_answer_is_sent() -> None:
    kept = Recorded()
    line = kept.line(limit=1)
    call = admitted(line)
    assert line.is_full()
    complete(call, RECEIVED, b"message")
    (exchange,) = kept.taken
    assert (exchange.stage, exchange.message) == (Stage.WAITING, b"message")
    exchange.answer(b"answer")
    assert (exchange.stage, exchange.message, len(line)) == (Stage.SENDING, b"", 1), "it is held no longer than needed"
    complete(call, CLOSED)
    assert len(line) == 1, "the answer may still be on its way"
    complete(call, SENT)
    assert (exchange.stage, len(line)) == (Stage.OVER, 0)


def test_a_calls_end_may_be_reported_after_its_answer() -> None:
    kept = Recorded()
    line = kept.line()
    call = admitted(line)
    complete(call, RECEIVED, b"")
    kept.taken[0].answer(b"answer")
    complete(call, SENT)
    complete(call, CLOSED)
    assert len(line) == 0


def test_a_call_that_ends_before_its_message_is_never_handed_on() -> None:
    kept = Recorded()
    line = kept.line()
    call = admitted(line)
    complete(call, CLOSED)
    complete(call, RECEIVED, b"too late")
    assert (kept.taken, len(line)) == ([], 0)


def test_a_call_that_ends_while_it_waits_frees_its_message() -> None:
    kept = Recorded()
    line = kept.line()
    call = admitted(line)
    complete(call, RECEIVED, b"message")
    complete(call, CLOSED)
    assert (kept.taken[0].stage, kept.taken[0].message, len(line)) == (Stage.OVER, b"", 0)


def test_a_call_without_a_message_is_refused_and_not_handed_on() -> None:
    kept = Recorded()
    line = kept.line()
    call = admitted(line)
    complete(call, RECEIVED, None)
    assert (kept.taken, len(line), len(call.tags)) == ([], 1, 3)
    complete(call, SENT)
    assert len(line) == 0


def test_calls_that_are_too_old_are_handed_out_oldest_first_and_the_others_stay() -> None:
    kept = Recorded()
    line = kept.line()
    calls = [admitted(line, now) for now in (1.0, 2.0, 3.0, 4.0)]
    complete(calls[1], RECEIVED, b"waits for its turn")
    line.drop_older_than(1.0, 4.5, kept.late.append)
    assert [exchange.accepted_at for exchange in kept.late] == [1.0, 3.0]


def test_an_answer_that_is_not_read_is_abandoned_at_last() -> None:
    kept = Recorded()
    line = kept.line()
    call = admitted(line, 1.0)
    complete(call, RECEIVED, b"")
    kept.taken[0].answer(b"answer")
    line.drop_older_than(1.0, 2.0 + SEND_SECONDS, kept.late.append)
    assert call.cancelled == 0
    line.drop_older_than(1.0, 2.1 + SEND_SECONDS, kept.late.append)
    assert (call.cancelled, kept.late) == (1, [])
    complete(call, SENT)
    assert len(line) == 0
