"""What the admin port is told is true at every moment, and counters never go down."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from authz.documents.findings import Problem
from authz.observing.totals import Totals
from authz.policy.load import Policy, load_policy
from authz.serving.messages import Listening, Load, Loaded
from authz.serving.reload.snapshot import Snapshot
from authz.serving.supervision.crew import Crew
from authz.serving.supervision.state import State
from tests.support.cases.case_file import POLICY
from tests.support.issuers import PRODUCTION
from tests.support.minting import write_keys

PROBLEM = Problem(Path("tiers.yml"), 1, "unknown key")
COUNTED = Totals(decisions={("allowed", "ai_gateway", "duo_chat", "small"): 1}, overloads=1, in_flight=1)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    keys = write_keys(tmp_path_factory.mktemp("keys"))
    return load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)


def snapshot(policy: Policy, revision: str = "A") -> Snapshot:
    return Snapshot(
        Path(revision), replace(policy, judge=replace(policy.judge, revision=revision)), frozenset(PRODUCTION)
    )


def crew(size: int = 1) -> Crew:
    return Crew(size, Load(Path("A"), "A"), 0.0, 0.0)


def test_a_policy_is_told_with_what_it_trusts(policy: Policy) -> None:
    told = State(crew(), snapshot(policy)).policy()
    assert (told.revision, told.reloads, told.reload_failures, told.last_failure) == ("A", 0, 0, None)
    assert {key.issuer for key in told.trusted.keys} <= set(PRODUCTION)


def test_a_failure_is_told_until_a_reload_succeeds(policy: Policy) -> None:
    state = State(crew(), snapshot(policy))
    state.refused((PROBLEM,))
    told = state.policy()
    assert told.last_failure is not None
    assert (told.revision, told.reload_failures, told.last_failure.problems) == ("A", 1, (PROBLEM,))
    state.reloaded(snapshot(policy, "B"))
    told = state.policy()
    assert (told.revision, told.reloads, told.reload_failures, told.last_failure) == ("B", 1, 1, None)


def test_a_failure_that_was_taken_back_is_told_no_more(policy: Policy) -> None:
    state = State(crew(), snapshot(policy))
    loaded_at = state.policy().loaded_at
    state.refused((PROBLEM,))
    state.mended()
    told = state.policy()
    assert (told.revision, told.loaded_at, told.reloads, told.reload_failures) == ("A", loaded_at, 0, 1)
    assert told.last_failure is None


def test_whether_changes_are_seen_is_told_whatever_is_loaded_meanwhile(policy: Policy) -> None:
    state = State(crew(), snapshot(policy))
    found = [state.policy().watched]
    state.watched(False)
    state.reloaded(snapshot(policy, "B"))
    found.append(state.policy().watched)
    state.watched(True)
    assert [*found, state.policy().watched] == [True, False, True]


def test_it_is_ready_as_soon_as_one_worker_serves_and_until_all_leave(policy: Policy) -> None:
    two = crew(2)
    state = State(two, snapshot(policy))
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


def test_counts_of_a_process_that_is_gone_stay_and_those_of_the_next_come_on_top(policy: Policy) -> None:
    state = State(crew(), snapshot(policy))
    state.counted(0, COUNTED)
    state.counted(0, COUNTED)  # the same, and no more
    state.gone(0)
    assert (state.totals().overloads, state.totals().in_flight) == (1, 0)
    state.counted(0, COUNTED)
    assert (state.totals().overloads, state.totals().in_flight) == (2, 1)


def test_a_counter_is_never_seen_to_go_down(policy: Policy) -> None:
    state = State(crew(), snapshot(policy))
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
