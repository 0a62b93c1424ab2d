"""What the admin port is told is true at every moment, and counters never go down."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from authz.documents.findings import Problem
from authz.observing.totals import Totals
from authz.serving.messages import Listening, Load, Loaded
from authz.serving.reload.snapshot import Snapshot
from authz.serving.supervision.crew import Crew
from authz.serving.supervision.state import State
from authz.tokens.keys.inventory import PackagedKey, Trusted

PROBLEM = Problem(Path("tiers.yml"), 1, "unknown key")
COUNTED = Totals(decisions={("allowed", "ai_gateway", "duo_chat", "small"): 1}, overloads=1, in_flight=1)


TRUSTED = Trusted((PackagedKey("customers-dot", "a", None),))


def snapshot(revision: str = "A") -> Snapshot:
    return Snapshot(Path(revision), revision, ("customers-dot",), frozenset({"customers-dot"}), TRUSTED, ())


def crew(size: int = 1) -> Crew:
    return Crew(size, Load(Path("A"), "A"), 0.0, 0.0)


def test_a_policy_is_told_with_what_it_trusts() -> None:
    told = State(crew(), snapshot()).policy()
    assert (told.revision, told.reloads, told.reload_failures, told.last_failure) == ("A", 0, 0, None)
    assert told.trusted == TRUSTED


def test_a_failure_is_told_until_a_reload_succeeds() -> None:
    state = State(crew(), snapshot())
    state.refused((PROBLEM,))
    told = state.policy()
    assert told.last_failure is not None
    assert (told.revision, told.reload_failures, told.last_failure.problems) == ("A", 1, (PROBLEM,))
    state.reloaded(snapshot("B"))
    told = state.policy()
    assert (told.revision, told.reloads, told.reload_failures, told.last_failure) == ("B", 1, 1, None)


def test_a_failure_that_was_taken_back_is_told_no_more() -> None:
    state = State(crew(), snapshot())
    loaded_at = state.policy().loaded_at
    state.refused((PROBLEM,))
    state.mended()
    told = state.policy()
    assert (told.revision, told.loaded_at, told.reloads, told.reload_failures) == ("A", loaded_at, 0, 1)
    assert told.last_failure is None


def test_whether_changes_are_seen_is_told_whatever_is_loaded_meanwhile() -> None:
    state = State(crew(), snapshot())
    found = [state.policy().watched]
    state.watched(False)
    state.reloaded(snapshot("B"))
    found.append(state.policy().watched)
    state.watched(True)
    assert [*found, state.policy().watched] == [True, False, True]


def test_it_is_ready_as_soon_as_one_worker_serves_and_until_all_leave() -> None:
    two = crew(2)
    state = State(two, snapshot())
    two.tick(0.0)
    assert not state.is_ready()
    two.hear(0, Loaded("A"), 0.0)
    two.hear(0, Listening(("unix:0",)), 0.0)
    assert state.is_ready()
    assert (state.workers().running, state.workers().wanted, state.workers().restarts) == (1, 2, 0)
    two.exited(1, "killed by SIGKILL", 0.0)
    assert state.workers().restarts == 1
    two.leave(0.0)
    assert not state.is_ready()


def test_counts_of_a_process_that_is_gone_stay_and_those_of_the_next_come_on_top() -> None:
    state = State(crew(), snapshot())
    state.counted(0, COUNTED)
    state.counted(0, COUNTED)  # the same, and no more
    state.gone(0)
    assert (state.totals().overloads, state.totals().in_flight) == (1, 0)
    state.counted(0, COUNTED)
    assert (state.totals().overloads, state.totals().in_flight) == (2, 1)


def test_a_counter_is_never_seen_to_go_down() -> None:
    state = State(crew(), snapshot())
    ended = threading.Event()
    seen: list[int] = []

    def scrape() -> None:
        while not ended.is_set():
            seen.append(state.totals().overloads)

    scraping = threading.Thread(target=scrape)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # who looks, looks in between
    scraping.start()
    try:
        for _ in range(3_000):
            state.counted(0, COUNTED)
            state.gone(0)
    finally:
        ended.set()
        scraping.join()
        sys.setswitchinterval(interval)
    assert seen == sorted(seen)
    assert state.totals().overloads == 3_000
