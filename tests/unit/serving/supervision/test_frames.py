"""Frames give whole messages only, and never wait for the rest of one."""

import multiprocessing
import os
import struct
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler

import pytest

from authz.observing.totals import Totals
from authz.serving.messages import Heartbeat, Loaded
from authz.serving.supervision.frames import Frames
from authz.serving.supervision.process import WorkerProcess

BEAT = Heartbeat(Totals())
LONG = "long" * 10_000  # so long that `send` writes the length by itself


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    """The supervisor's end and the worker's."""
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        yield ours, theirs


def framed(message: object) -> bytes:
    body = bytes(ForkingPickler.dumps(message))
    return struct.pack("!i", len(body)) + body


def test_what_was_sent_is_taken_in_its_order(pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    frames = Frames(ours)
    assert list(frames.take()) == []
    sent = [BEAT, Loaded(LONG), Loaded("b")]
    for message in sent:
        theirs.send(message)
    assert list(frames.take()) == sent
    assert list(frames.take()) == []


def test_the_end_comes_after_all_that_was_said(pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    theirs.send(BEAT)
    theirs.close()
    taken = Frames(ours).take()
    assert next(taken) == BEAT
    with pytest.raises(EOFError):
        next(taken)


@pytest.mark.parametrize("so_far", [1, 4, 100])
def test_half_a_message_does_not_block_the_reader(pipe: tuple[Connection, Connection], so_far: int) -> None:
    """2026-11-22: a worker that was stopped between length and body of a message held up all supervision."""
    ours, theirs = pipe
    frames, whole = Frames(ours), framed(Loaded(LONG))
    os.write(theirs.fileno(), framed(BEAT) + whole[:so_far])
    assert list(frames.take()) == [BEAT]
    assert list(frames.take()) == []
    os.write(theirs.fileno(), whole[so_far:])
    assert list(frames.take()) == [Loaded(LONG)]


def test_no_message_is_as_long_as_that(pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    os.write(theirs.fileno(), struct.pack("!i", -1))
    with pytest.raises(OSError, match="2 GiB"):
        list(Frames(ours).take())


def test_a_worker_that_stops_within_a_message_does_not_block_others(
    pipe: tuple[Connection, Connection],
) -> None:
    """2026-11-22: the same, as the supervisor receives it, until the process has ended."""
    ours, theirs = pipe
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    worker = WorkerProcess(process, ours)
    os.write(theirs.fileno(), framed(BEAT) + framed(Loaded(LONG))[:10])
    found = [(list(worker.received()), worker.is_open)]
    theirs.close()
    found += [(list(worker.received()), worker.is_open) for _ in range(2)]
    assert found == [([BEAT], True), ([], False), ([], False)]
    assert worker.reap() == "exit code 0"
