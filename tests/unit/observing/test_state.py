"""What the admin port shows is true at every moment, and counters never go down."""

import sys
import threading
from pathlib import Path

import pytest

from authz.documents.findings import Problem
from authz.observing.state import PolicyState, State, WorkerCounts
from authz.observing.totals import Totals
from authz.tokens.keys.inventory import PackagedKey, Trusted

PROBLEM = Problem(Path("tiers.yml"), 1, "unknown key")
COUNTED = Totals(decisions={("allowed", "ai_gateway", "duo_chat", "small"): 1}, overloads=1, in_flight=1)


TRUSTED = Trusted((PackagedKey("customers-dot", "a", None),))


WORKERS = WorkerCounts(1, 2, 3)


def state(*, ready: bool = True) -> State:
    return State(lambda: WORKERS, lambda: ready, PolicyState("A", 1.0, trusted=TRUSTED))


def test_a_policy_is_shown_with_what_it_trusts() -> None:
    policy = state().policy()
    assert (policy.revision, policy.reloads, policy.reload_failures, policy.last_failure) == ("A", 0, 0, None)
    assert policy.trusted == TRUSTED


def test_a_failure_is_reported_until_a_reload_succeeds() -> None:
    service = state()
    service.refused((PROBLEM,))
    policy = service.policy()
    assert policy.last_failure is not None
    assert (policy.revision, policy.reload_failures, policy.last_failure.problems) == ("A", 1, (PROBLEM,))
    service.reloaded("B", TRUSTED)
    policy = service.policy()
    assert (policy.revision, policy.reloads, policy.reload_failures, policy.last_failure) == ("B", 1, 1, None)


def test_a_failure_that_was_taken_back_is_no_longer_reported() -> None:
    service = state()
    loaded_at = service.policy().loaded_at
    service.refused((PROBLEM,))
    service.corrected()
    policy = service.policy()
    assert (policy.revision, policy.loaded_at, policy.reloads, policy.reload_failures) == ("A", loaded_at, 0, 1)
    assert policy.last_failure is None


def test_whether_changes_are_seen_is_reported_whatever_is_loaded_meanwhile() -> None:
    service = state()
    found = [service.policy().watched]
    service.watched(False)
    service.reloaded("B", TRUSTED)
    found.append(service.policy().watched)
    service.watched(True)
    assert [*found, service.policy().watched] == [True, False, True]


@pytest.mark.parametrize("ready", [True, False])
def test_it_says_of_workers_what_their_supervisor_says(ready: bool) -> None:
    found = state(ready=ready)
    assert (found.workers(), found.is_ready()) == (WORKERS, ready)


def test_counts_of_a_process_that_is_gone_stay_and_those_of_the_next_come_on_top() -> None:
    service = state()
    service.counted(0, COUNTED)
    service.counted(0, COUNTED)  # the same, and no more
    service.ended(0)
    assert (service.totals().overloads, service.totals().in_flight) == (1, 0)
    service.counted(0, COUNTED)
    assert (service.totals().overloads, service.totals().in_flight) == (2, 1)


def test_a_counter_is_never_seen_to_go_down() -> None:
    service = state()
    ended = threading.Event()
    seen: list[int] = []

    def scrape() -> None:
        while not ended.is_set():
            seen.append(service.totals().overloads)

    scraping = threading.Thread(target=scrape)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # who looks, looks in between
    scraping.start()
    try:
        for _ in range(3_000):
            service.counted(0, COUNTED)
            service.ended(0)
    finally:
        ended.set()
        scraping.join()
        sys.setswitchinterval(interval)
    assert seen == sorted(seen)
    assert service.totals().overloads == 3_000
