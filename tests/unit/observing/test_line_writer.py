"""The line writer: logging never blocks, and what is lost is counted."""

import fcntl
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from authz.observing.line_writer import MAX_LINE, LineWriter
from tests.support.waiting import until

SECONDS = 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of one page: its end to read, and its end to write."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4_096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_lines_come_whole_and_in_their_order(tmp_path: Path) -> None:
    said = [str(number) * 50 for number in range(500)]
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as lines:
        for text in said:
            lines.put(lambda text=text: text)  # type: ignore[misc]  # mypy infers no default of a lambda
    assert (tmp_path / "log").read_text().splitlines() == said
    assert lines.dropped() == {"overflow": 0, "unwritable": 0}


def test_lines_are_written_while_others_are_yet_to_come(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, LineWriter(file.fileno()) as lines:
        lines.put(lambda: "first")
        until(lambda: log.read_text() == "first\n")
        lines.put(lambda: "second")
        until(lambda: log.read_text() == "first\nsecond\n")


def test_each_write_fits_into_a_pipe_in_one_piece(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with LineWriter(writing) as lines:
        for _ in range(40):
            lines.put(lambda: "x" * 300)
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < 40 * 301:
            pieces.append(os.read(reading, 1_000_000))
    assert all(len(piece) <= MAX_LINE and piece.endswith(b"\n") for piece in pieces)


def test_a_pipe_that_nobody_reads_does_not_block_others(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = LineWriter(writing, capacity=10)
    lines.start()
    for _ in range(3):
        lines.put(lambda: "x" * 3_000)
    until(lambda: not lines._waiting)
    for _ in range(12):
        lines.put(lambda: "y")
    assert lines.dropped() == {"overflow": 2, "unwritable": 0}
    lines.close(0.01)
    assert lines._thread.is_alive(), "it waits for the pipe, and `close` did not"
    assert lines.dropped() == {"overflow": 2, "unwritable": 10}
    came = b""
    while not came.endswith(b"}\n"):
        came += os.read(reading, 4_096)
    lines._thread.join(SECONDS)


def test_what_still_waits_at_the_end_is_counted_and_a_last_line_says_so(pipe: tuple[int, int]) -> None:
    """2026-11-22: up to 8,192 lines were lost without a word when a process ended behind a slow pipe."""
    reading, writing = pipe
    lines = LineWriter(writing)
    lines.start()
    for _ in range(3):
        lines.put(lambda: "x" * 3_000)
    until(lambda: not lines._waiting)
    for _ in range(7):
        lines.put(lambda: "y")
    lines.close(0.01)
    lines.put(lambda: "z")
    assert lines.dropped() == {"overflow": 1, "unwritable": 7}, "one came when all was over"
    came = b""
    while not came.endswith(b"}\n"):
        came += os.read(reading, 4_096)
    *before, last = came.splitlines()
    assert before == [b"x" * 3_000] * 3
    event = json.loads(last)
    assert (event["level"], event["event"], event["lines"]) == ("warning", "log_lines_lost", 7)
    lines._thread.join(SECONDS)


def test_a_full_disk_is_counted_and_nothing_else_happens() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, LineWriter(full.fileno()) as lines:
        for _ in range(100):
            lines.put(lambda: "x" * 100)
    assert lines.dropped() == {"overflow": 0, "unwritable": 100}


def test_a_pipe_that_is_closed_is_counted_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with LineWriter(writing) as lines:
        lines.put(lambda: "x")
    os.close(writing)
    assert lines.dropped() == {"overflow": 0, "unwritable": 1}


def test_a_line_that_cannot_be_rendered_is_counted_and_those_behind_it_come(tmp_path: Path) -> None:
    def broken() -> NoReturn:
        raise KeyError("what a client said")

    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as lines:
        lines.put(broken)
        lines.put(lambda: "next")
    assert (tmp_path / "log").read_text() == "next\n"
    assert lines.dropped() == {"overflow": 0, "unwritable": 1}


def test_a_terminal_that_is_not_ready_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    lines = LineWriter(writing)
    lines.start()
    for number in range(3):
        lines.put(lambda number=number: str(number) * 3_000)  # type: ignore[misc]  # as above
    until(lambda: not lines._waiting)
    came = b""
    while came.count(b"\n") < 3:
        came += os.read(reading, 4_096)
    lines.close(SECONDS)
    assert came.split() == [str(number).encode() * 3_000 for number in range(3)]


def test_one_that_is_never_ready_is_given_up_when_all_ends(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    lines = LineWriter(writing)
    lines.start()
    for _ in range(3):
        lines.put(lambda: "x" * 3_000)
    until(lambda: not lines._waiting)
    lines.close(SECONDS)
    assert not lines._thread.is_alive()
    assert len(os.read(reading, 10_000)) == 3_001
    assert lines.dropped() == {"overflow": 0, "unwritable": 2}


@contextmanager
def files_of_at_most(octets: int) -> Iterator[None]:
    """Have the system take no more into a file, as a disk that fills up does: first a part of a write, then none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_after_a_line_that_was_cut_off_the_next_begins_on_a_new_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as file:
        lines = LineWriter(file.fileno())
        for text in ("abc", "defgh", "ijk"):
            lines.put(lambda text=text: text)  # type: ignore[misc]  # as above
        with files_of_at_most(6):
            lines._write_waiting()
        assert lines.dropped() == {"overflow": 0, "unwritable": 2}
        for text in ("lmn", "opq"):
            lines.put(lambda text=text: text)  # type: ignore[misc]  # as above
            lines._write_waiting()
    assert log.read_text() == "abc\nde\nlmn\nopq\n"
    assert lines.dropped() == {"overflow": 0, "unwritable": 2}
