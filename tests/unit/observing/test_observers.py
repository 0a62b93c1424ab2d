"""Observers together: whatever happens to a log, requests are answered as ever, and what was lost is counted."""

import os
import threading
from pathlib import Path
from typing import Final

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.observing.decision_log import HeaderValues
from authz.observing.line_writer import LineWriter
from authz.observing.observers import Observers, traced
from authz.policy.load import Policy
from tests.support.minting import Minter, request
from tests.support.observing import observed
from tests.support.shipped import check_by
from tests.unit.observing.test_traces import SECONDS, collector

GOOD: Final = request(token=Minter().token())
BAD: Final = request(token=Minter().token(claims={"exp": 1}))


def codes(policy: Policy, observers: Observers, count: int) -> set[tuple[int, int]]:
    """Return the answers to so many good requests and as many bad ones."""
    check = check_by(policy.judge, observers)
    return {
        (CheckResponse.FromString(check(GOOD)).status.code, CheckResponse.FromString(check(BAD)).status.code)
        for _ in range(count)
    }


def test_a_full_disk_under_the_log_stops_no_answer_and_is_counted(policy: Policy) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, LineWriter(full.fileno()) as lines:
        observers = Observers(0, 1.0, HeaderValues.HASHED, lines)
        assert codes(policy, observers, 50) == {(0, 16)}
    assert observers.totals(0).lines_dropped == {"overflow": 0, "unwritable": 100}


def test_a_pipe_that_is_stuck_stops_no_answer_and_memory_stays_bounded(policy: Policy) -> None:
    reading, writing = os.pipe()
    lines = LineWriter(writing, capacity=20)
    lines.start()
    observers = Observers(0, 1.0, HeaderValues.HASHED, lines)
    assert codes(policy, observers, 500) == {(0, 16)}
    assert len(lines._waiting) <= 20
    assert observers.totals(0).lines_dropped["overflow"] > 0
    draining = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reading, 65_536), b"")])
    draining.start()
    lines.close(SECONDS)
    os.close(writing)
    draining.join(SECONDS)
    os.close(reading)


def test_all_observers_hear_of_an_answer(policy: Policy) -> None:
    with collector() as collecting:
        lines, traces = LineWriter(0), traced(collecting.url, 1, "1")
        observers = Observers(1, 1.0, HeaderValues.HASHED, lines, traces)
        observers.follow(policy.judge)
        observers.overloaded()
        observers.client_refused()
        observers(observed(policy))
        traces.close(SECONDS)
        assert len(collecting.spans()) == 1
    totals = observers.totals(in_flight=5)
    assert (sum(totals.decisions.values()), totals.overloads, totals.in_flight) == (1, 1, 5)
    assert totals.clients_refused == 1
    assert set(totals.caches) == {"tokens", "chains"}
    assert (totals.lines_dropped, totals.spans_dropped) == ({"overflow": 0, "unwritable": 0}, 0)
    assert len(lines._waiting) == 1


def test_without_traces_the_others_hear(policy: Policy) -> None:
    lines = LineWriter(0)
    observers = Observers(1, 0.0, HeaderValues.HASHED, lines)
    observers(observed(policy))
    assert sum(observers.totals(0).decisions.values()) == 1
    assert not lines._waiting
