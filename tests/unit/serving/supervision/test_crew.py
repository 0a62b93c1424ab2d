"""The crew: what it orders when workers start, die, hang, drain or load a policy, with a clock of the test."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from authz.observing import events
from authz.observing.state import WorkerCounts
from authz.observing.totals import Totals
from authz.serving.messages import (
    Drain,
    Draining,
    Failed,
    FromWorker,
    Heartbeat,
    Listening,
    Load,
    Loaded,
    Swap,
    Swapped,
)
from authz.serving.supervision.crew import STARTS, Crew
from authz.serving.supervision.member import LONGEST_PAUSE, SILENT_SECONDS, STABLE_SECONDS, START_SECONDS, Phase
from authz.serving.supervision.orders import Abandon, End, InForce, Kill, Order, Send, Spawn
from authz.serving.supervision.rollout import FIRST_PAUSE, LOAD_SECONDS
from authz.serving.supervision.rollout import LONGEST_PAUSE as LONGEST_RETRY

A, B, C = (Load(Path(name), name) for name in "ABC")
DRAIN = 20.0
BEAT = Heartbeat(Totals())


class Story:
    """A crew and the time in which things happen to it; keeps what was to be done."""

    def __init__(self, size: int = 2) -> None:
        self.now = 100.0
        self.crew = Crew(size, A, DRAIN, self.now)
        self.orders: list[Order] = []

    def then(self, orders: Sequence[Order]) -> list[Order]:
        self.orders += orders
        return list(orders)

    def after(self, seconds: float) -> list[Order]:
        self.now += seconds
        return self.then(self.crew.tick(self.now))

    def says(self, number: int, message: FromWorker) -> list[Order]:
        return self.then(self.crew.receive(number, message, self.now))

    def exits(self, number: int, how: str = "killed by SIGKILL") -> list[Order]:
        return self.then(self.crew.exited(number, how, self.now))

    def offers(self, snapshot: Load) -> list[Order]:
        return self.then(self.crew.rollout.offer(snapshot, self.now))

    def takes(self, *numbers: int, revision: str = "B") -> list[Order]:
        """Let workers swap, and return what the last one led to."""
        return [self.says(number, Swapped(revision)) for number in numbers][-1]

    def waits(self, seconds: float) -> list[Order]:
        """Let time go by while all workers show that they live."""
        for _ in range(int(seconds)):
            self.now += 1
            for number in range(len(self.crew.members)):
                self.says(number, BEAT)
        self.now += seconds % 1
        return self.after(0)

    def needed(self) -> set[str]:
        return {load.revision for load in self.crew.rollout.needed()}

    def leaves(self) -> list[Order]:
        return self.then(self.crew.leave(self.now))

    def listens(self, number: int, revision: str = "A") -> None:
        """Let a worker that was spawned go all the way."""
        self.says(number, Loaded(revision))
        self.says(number, Swapped(revision))
        self.says(number, Listening((f"unix:{number}",)))

    def phases(self) -> list[Phase]:
        return [member.phase for member in self.crew.members]


@pytest.fixture
def story() -> Story:
    """Two workers that serve."""
    made = Story()
    made.after(0)
    for number in range(2):
        made.listens(number)
    made.orders.clear()
    return made


def test_every_worker_is_started_and_gets_the_policy_to_load() -> None:
    assert Story().after(0) == [Spawn(0), Send(0, A), Spawn(1), Send(1, A)]


def test_a_worker_listens_only_once_it_has_loaded_what_is_in_force() -> None:
    story = Story(1)
    story.after(0)
    assert story.crew.serving() == 0
    assert story.says(0, Loaded("A")) == [Send(0, Swap("A"))]
    assert story.crew.serving() == 0
    assert story.says(0, Listening(("unix:0", "h:1"))) == [
        events.worker_listening(0, "unix:0"),
        events.worker_listening(0, "h:1"),
    ]
    assert story.crew.serving() == 1


def test_endpoints_are_the_first_addresses_of_those_that_serve(story: Story) -> None:
    assert story.crew.endpoints() == ("unix:0", "unix:1")
    story.says(0, Draining())
    assert story.crew.endpoints() == ("unix:1",)
    story.exits(1)
    assert story.crew.endpoints() == ()


def test_it_is_ready_as_soon_as_one_worker_serves_and_until_all_leave() -> None:
    story = Story(2)
    story.after(0)
    assert not story.crew.is_ready()
    story.listens(0)
    assert story.crew.is_ready()
    assert story.crew.counts() == WorkerCounts(running=1, wanted=2, restarts=0)
    story.exits(1)
    assert story.crew.counts().restarts == 1
    story.leaves()
    assert not story.crew.is_ready()


# ---- death


def test_a_worker_that_dies_is_replaced_after_a_pause(story: Story) -> None:
    assert story.exits(0) == [events.worker_restarted(0, "killed by SIGKILL", 0.1)]
    assert story.crew.due() == story.now + 0.1
    assert story.after(0.09) == []
    assert story.after(0.01) == [Spawn(0), Send(0, A)]
    assert story.crew.restarts == 1


def pauses(story: Story, number: int, times: int) -> list[float]:
    found = []
    for _ in range(times):
        story.exits(number)
        found.append(story.crew.members[number].due - story.now)
        story.after(found[-1])
    return found


def test_the_pause_doubles_up_to_a_bound(story: Story) -> None:
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pauses(story, 0, 8) == pytest.approx(expected)


def test_serving_well_for_a_while_makes_the_pause_short_again(story: Story) -> None:
    pauses(story, 0, 4)
    story.listens(0)
    story.now += STABLE_SECONDS - 0.1
    assert pauses(story, 0, 1) == pytest.approx([1.6])
    story.listens(0)
    story.now += STABLE_SECONDS
    assert pauses(story, 0, 1) == pytest.approx([0.1])


def test_the_cause_that_a_worker_gave_is_logged_when_it_has_ended() -> None:
    story = Story(1)
    story.after(0)
    assert story.says(0, Failed("cannot listen on unix:0")) == []
    assert story.exits(0, "exit code 1") == [events.worker_restarted(0, "cannot listen on unix:0", 0.1)]


def test_when_none_can_start_it_ends_with_the_reason() -> None:
    story = Story(2)
    story.after(0)
    for attempt in range(STARTS):
        for number in range(2):
            story.says(number, Failed("no luck"))
            story.exits(number)
        if attempt < STARTS - 1:
            story.after(LONGEST_PAUSE)
    assert story.orders[-2:] == [events.no_worker_can_start(STARTS, "no luck"), End(1)]
    assert sum(isinstance(order, End) for order in story.orders) == 1


def test_as_long_as_one_serves_the_others_are_tried_again_and_again(story: Story) -> None:
    for _ in range(3 * STARTS):
        story.exits(0)
        story.after(LONGEST_PAUSE)
        story.says(1, BEAT)
    assert not any(isinstance(order, End) for order in story.orders)


def test_a_start_that_succeeded_makes_up_for_those_that_failed() -> None:
    story = Story(1)
    story.after(0)
    for _ in range(3):
        for _ in range(STARTS - 1):
            story.exits(0)
            story.after(LONGEST_PAUSE)
        story.listens(0)
        story.now += STABLE_SECONDS
    assert not any(isinstance(order, End) for order in story.orders)


# ---- hanging


def test_one_that_gives_no_sign_of_life_is_killed_once_and_replaced(story: Story) -> None:
    story.after(SILENT_SECONDS - 0.1)
    story.says(1, BEAT)
    assert story.after(0.1) == [Kill(0)]
    assert story.after(1) == []
    assert story.says(0, BEAT) == []
    assert story.exits(0) == [events.worker_restarted(0, "no heartbeat for 3s", 0.1)]


def test_a_sign_of_life_puts_it_off(story: Story) -> None:
    for _ in range(10):
        story.now += SILENT_SECONDS / 2
        for number in range(2):
            story.says(number, BEAT)
        assert story.after(0) == []


def test_one_that_does_not_start_is_killed() -> None:
    story = Story(1)
    story.after(0)
    story.says(0, BEAT)
    assert story.after(START_SECONDS - 0.1) == []
    assert story.after(0.1) == [Kill(0)]
    assert story.exits(0) == [events.worker_restarted(0, "did not start within 60s", 0.1)]


# ---- draining


def test_one_that_got_sigterm_is_replaced_at_once_when_it_has(story: Story) -> None:
    assert story.says(0, Draining()) == [events.worker_draining(0)]
    assert story.says(0, Draining()) == []
    story.now += DRAIN - 1
    story.says(0, BEAT)
    story.says(1, BEAT)
    assert story.after(0) == []
    assert story.exits(0, "exit code 0") == [events.worker_drained(0)]
    assert story.after(0) == [Spawn(0), Send(0, A)]


def test_one_that_does_not_finish_is_killed(story: Story) -> None:
    story.says(0, Draining())
    story.now += DRAIN - 1
    story.says(1, BEAT)
    assert story.after(1) == [Kill(0)]
    assert story.exits(0) == [events.worker_restarted(0, "did not drain in time", 0.0)]


def test_all_drain_and_the_end_is_good(story: Story) -> None:
    assert story.leaves() == [Send(0, Drain()), Send(1, Drain())]
    assert story.crew.is_leaving
    assert story.leaves() == []
    story.says(0, Draining())
    assert story.crew.endpoints() == ("unix:0", "unix:1")
    assert story.exits(0, "exit code 0") == []
    assert story.crew.endpoints() == ("unix:1",)
    assert story.exits(1, "exit code 0") == [events.service_stopped(), End(0)]
    assert story.phases() == [Phase.GONE, Phase.GONE]
    assert story.crew.due() is None
    assert story.after(100) == []


def test_one_that_drains_already_does_not_get_the_order_again(story: Story) -> None:
    story.says(0, Draining())
    assert story.leaves() == [Send(1, Drain())]


def test_what_does_not_drain_is_killed_in_the_end(story: Story) -> None:
    story.leaves()
    assert story.after(DRAIN) == [Kill(0), Kill(1)]
    assert story.exits(0) == [events.worker_stopped_early(0, "did not drain in time")]
    assert story.exits(1) == [events.worker_stopped_early(1, "did not drain in time"), events.service_stopped(), End(0)]


def test_one_that_has_not_begun_ends_with_the_others_and_one_that_rests_stays_where_it_is() -> None:
    story = Story(3)
    story.after(0)
    story.listens(0)
    story.exits(2)
    assert story.leaves() == [Send(0, Drain()), Kill(1)]
    assert story.after(LONGEST_PAUSE) == []
    assert story.exits(1) == []
    assert story.exits(0) == [events.service_stopped(), End(0)]


def test_one_that_is_about_to_listen_drains_with_the_others() -> None:
    story = Story(1)
    story.after(0)
    story.says(0, Loaded("A"))
    assert story.leaves() == [Send(0, Drain())]
    story.says(0, Listening(("unix:0",)))
    assert story.phases() == [Phase.DRAINING]
    assert story.exits(0, "exit code 0") == [events.service_stopped(), End(0)]


def test_one_that_is_being_killed_gets_no_order_to_drain(story: Story) -> None:
    story.after(SILENT_SECONDS)
    assert story.leaves() == []
    story.exits(0)
    assert story.exits(1)[-1] == End(0)


def test_a_start_that_hung_ends_with_the_crew() -> None:
    story = Story(1)
    story.after(0)
    story.after(START_SECONDS)
    assert story.leaves() == []
    assert story.exits(0)[-1] == End(0)


def test_nothing_to_drain_is_the_end() -> None:
    assert Story(2).leaves() == [events.service_stopped(), End(0)]


# ---- policies


def test_all_load_and_then_all_swap(story: Story) -> None:
    assert story.offers(B) == [Send(0, B), Send(1, B)]
    assert story.says(0, Loaded("B")) == []
    assert story.crew.rollout.current is A
    assert story.says(1, Loaded("B")) == [Send(0, Swap("B")), Send(1, Swap("B"))]
    assert story.crew.rollout.current is B
    assert story.takes(0) == []
    assert story.takes(1) == [InForce(A, B, 2)]


def test_without_a_worker_a_policy_is_in_force_at_once() -> None:
    story = Story(1)
    assert story.offers(B) == [InForce(A, B, 0)]
    assert story.after(0) == [Spawn(0), Send(0, B)]


def test_one_that_starts_meanwhile_listens_with_the_new_policy_only(story: Story) -> None:
    """A removed key must not be believed by who comes late."""
    story.exits(0)
    story.after(0.1)
    story.offers(B)
    story.says(1, Loaded("B"))
    assert story.crew.rollout.current is B
    assert story.says(0, Loaded("A")) == [Send(0, B)]
    assert story.says(0, Loaded("A")) == []
    assert story.says(0, Loaded("B")) == [Send(0, Swap("B"))]


def test_one_that_begins_to_listen_while_others_load_must_load_too(story: Story) -> None:
    story.exits(0)
    story.after(0.1)
    story.offers(B)
    assert story.says(0, Loaded("A")) == [Send(0, Swap("A")), Send(0, B)]
    assert story.says(1, Loaded("B")) == []
    story.says(0, Listening(("unix:0",)))
    assert story.says(0, Loaded("B")) == [Send(0, Swap("B")), Send(1, Swap("B"))]
    assert story.takes(1, 0) == [InForce(A, B, 2)]


def test_one_that_drains_swaps_too(story: Story) -> None:
    """It still answers: what is revoked must be refused there as well."""
    story.says(0, Draining())
    assert story.offers(B) == [Send(0, B), Send(1, B)]
    story.says(1, Loaded("B"))
    assert story.says(0, Loaded("B")) == [Send(0, Swap("B")), Send(1, Swap("B"))]
    assert story.takes(1, 0) == [InForce(A, B, 2)]


def test_one_that_dies_meanwhile_does_not_block_others(story: Story) -> None:
    story.offers(B)
    story.says(0, Loaded("B"))
    assert story.exits(1)[1:] == [Send(0, Swap("B"))]
    assert story.takes(0) == [InForce(A, B, 1)]
    assert story.after(0.1) == [Spawn(1), Send(1, B)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_worker_that_cannot_load_what_another_can_is_replaced(story: Story, first: int) -> None:
    """2026-11-22: one worker without memory or handles kept a revocation out of force everywhere, for good."""
    story.offers(B)
    messages: list[FromWorker] = [Loaded("B"), Failed("MemoryError", "B")]
    assert story.says(first, messages[first]) == []
    assert story.says(1 - first, messages[1 - first]) == [Kill(1), Send(0, Swap("B"))]
    assert story.crew.endpoints() == ("unix:0",)
    assert story.takes(0) == [InForce(A, B, 1)]
    assert story.exits(1) == [events.worker_restarted(1, "could not load a new policy: MemoryError", 0.1)]
    assert story.after(0.1) == [Spawn(1), Send(1, B)]


def fails_everywhere(story: Story) -> list[Order]:
    assert story.says(0, Failed("MemoryError", "B")) == []
    return story.says(1, Failed("MemoryError", "B"))


def test_what_no_worker_can_load_is_offered_again(story: Story) -> None:
    """2026-11-22: a policy that every worker failed to load was never tried again."""
    story.offers(B)
    cause = "worker 0: MemoryError; worker 1: MemoryError"
    assert fails_everywhere(story) == [Abandon(B, cause, 1)]
    assert story.crew.rollout.current is A
    assert story.crew.rollout.latest() is A
    assert story.phases() == [Phase.SERVING, Phase.SERVING]
    assert story.needed() == {"A", "B"}
    assert story.crew.due() == story.now + FIRST_PAUSE
    assert story.after(FIRST_PAUSE - 0.1) == []
    assert story.after(0.1) == [Send(0, B), Send(1, B)]
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    assert story.takes(0, 1) == [InForce(A, B, 2)]
    assert story.waits(LONGEST_RETRY) == []


def test_it_is_offered_again_ever_more_rarely(story: Story) -> None:
    story.offers(B)
    pauses = []
    for _ in range(8):
        fails_everywhere(story)
        due = story.crew.rollout.due()
        assert due is not None
        pauses.append(due - story.now)
        assert story.waits(pauses[-1]) == [Send(0, B), Send(1, B)]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_RETRY, LONGEST_RETRY]
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    story.takes(0, 1)
    story.offers(C)
    story.says(0, Failed("EMFILE", "C"))
    assert story.says(1, Failed("EMFILE", "C")) == [Abandon(C, "worker 0: EMFILE; worker 1: EMFILE", 1)]


def test_what_was_given_up_is_not_offered_again_when_something_else_is_wanted(story: Story) -> None:
    story.offers(B)
    fails_everywhere(story)
    story.crew.rollout.stop_retrying()
    assert story.needed() == {"A"}
    assert story.crew.rollout.due() is None
    assert story.waits(FIRST_PAUSE) == []


def test_a_worker_that_is_still_at_it_does_not_get_the_order_again(story: Story) -> None:
    story.offers(B)
    story.says(0, Failed("MemoryError", "B"))
    assert story.waits(LOAD_SECONDS) == [Abandon(B, "no worker has loaded it within 30s", 1)]
    assert story.waits(FIRST_PAUSE) == [Send(0, B)]
    story.says(1, Loaded("B"))
    assert story.says(0, Loaded("B")) == [Send(0, Swap("B")), Send(1, Swap("B"))]


def test_when_the_only_one_that_could_load_it_dies_it_is_offered_again() -> None:
    story = Story(3)
    story.after(0)
    for number in range(3):
        story.listens(number)
    story.offers(B)
    story.says(0, Failed("MemoryError", "B"))
    story.says(1, Loaded("B"))
    assert story.exits(1)[1:] == []
    cause = "worker 0: MemoryError; worker 2: MemoryError"
    assert story.says(2, Failed("MemoryError", "B")) == [Abandon(B, cause, 1)]


def test_a_failure_that_is_not_about_the_last_order_changes_nothing(story: Story) -> None:
    """2026-11-22: a worker that was late with one policy spoilt the next."""
    story.offers(B)
    fails = story.waits(LOAD_SECONDS)
    assert isinstance(fails[0], Abandon)
    story.offers(C)
    assert story.says(0, Failed("late", "B")) == []
    assert story.says(0, Failed("later", "B")) == []
    story.says(0, Loaded("C"))
    assert story.says(1, Loaded("C")) == [Send(0, Swap("C")), Send(1, Swap("C"))]


def test_one_that_is_about_to_listen_and_cannot_load_what_comes_is_replaced(story: Story) -> None:
    story.exits(0)
    story.after(0.1)
    story.offers(B)
    story.says(0, Loaded("A"))
    assert story.says(0, Failed("MemoryError", "B")) == []
    assert story.says(1, Loaded("B")) == [Kill(0), Send(1, Swap("B"))]


def test_one_that_cannot_load_what_it_starts_with_ends_of_itself(story: Story) -> None:
    story.exits(0)
    story.after(0.1)
    assert story.says(0, Failed("MemoryError", "A")) == []
    assert story.exits(0)[0] == events.worker_restarted(0, "MemoryError", 0.2)


def test_what_a_worker_may_still_read_is_needed(story: Story) -> None:
    """2026-11-22: a folder was deleted while a worker read it, because the worker had got another order since."""
    story.offers(B)
    story.waits(LOAD_SECONDS)
    story.offers(C)
    assert story.needed() == {"A", "B", "C"}
    story.says(0, Failed("late", "B"))
    assert story.needed() == {"A", "B", "C"}
    story.exits(1)
    assert story.needed() == {"A", "C"}


def test_of_two_with_one_revision_the_second_is_meant_by_the_second_answer(story: Story) -> None:
    other = Load(Path("other"), "B")
    story.offers(B)
    story.waits(LOAD_SECONDS)
    story.offers(other)
    story.says(0, Loaded("B"))
    assert story.says(1, Loaded("B")) == []
    assert B not in story.crew.rollout.needed()
    story.says(0, Loaded("B"))
    assert story.says(1, Loaded("B")) == [Send(0, Swap("B")), Send(1, Swap("B"))]


def test_one_that_fails_to_start_meanwhile_is_no_reason_against_the_policy(story: Story) -> None:
    story.exits(0)
    story.after(0.1)
    story.offers(B)
    story.says(0, Loaded("A"))
    assert story.says(0, Failed("cannot listen")) == []
    story.says(1, Loaded("B"))
    assert story.exits(0)[1:] == [Send(1, Swap("B"))]
    assert story.takes(1) == [InForce(A, B, 1)]


def test_after_a_failure_the_next_can_be_loaded(story: Story) -> None:
    story.offers(B)
    fails_everywhere(story)
    assert story.offers(C) == [Send(0, C), Send(1, C)]
    story.says(0, Loaded("B"))  # late
    story.says(0, Loaded("C"))
    story.says(1, Loaded("C"))
    assert story.takes(0, 1, revision="C") == [InForce(A, C, 2)]


def test_of_several_that_come_meanwhile_the_latest_follows(story: Story) -> None:
    story.offers(B)
    other = Load(Path("other"), "other")
    assert story.offers(other) == []
    assert story.offers(C) == []
    assert story.crew.rollout.latest() is C
    assert story.needed() == {"A", "B", "C"}
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    assert story.takes(0, 1) == [InForce(A, B, 2), Send(0, C), Send(1, C)]


def test_what_waits_follows_after_a_failure_too(story: Story) -> None:
    story.offers(B)
    story.offers(C)
    cause = "worker 0: MemoryError; worker 1: MemoryError"
    assert fails_everywhere(story) == [Abandon(B, cause, None), Send(0, C), Send(1, C)]


def test_the_same_revision_again_is_loaded_before_it_is_swapped_to(story: Story) -> None:
    again = Load(Path("again"), "A")
    assert story.offers(again) == [Send(0, again), Send(1, again)]


def test_a_snapshot_is_needed_until_the_last_worker_reads_another(story: Story) -> None:
    story.exits(0)
    story.after(0.1)
    story.offers(B)
    story.says(1, Loaded("B"))
    story.takes(1)
    assert story.needed() == {"A", "B"}
    story.says(0, Loaded("A"))
    assert story.needed() == {"B"}


def test_one_that_does_not_get_it_loaded_is_replaced_and_the_others_swap(story: Story) -> None:
    story.offers(B)
    story.says(0, Loaded("B"))
    for _ in range(int(LOAD_SECONDS)):
        story.now += 1
        for number in range(2):
            story.says(number, BEAT)
    assert story.after(0) == [Kill(1), Send(0, Swap("B"))]
    assert story.crew.endpoints() == ("unix:0",)
    assert story.takes(0) == [InForce(A, B, 1)]
    assert story.exits(1) == [events.worker_restarted(1, "did not load or use a new policy within 30s", 0.1)]


def test_if_none_gets_it_loaded_the_old_policy_stays(story: Story) -> None:
    story.offers(B)
    for _ in range(int(LOAD_SECONDS)):
        story.now += 1
        for number in range(2):
            story.says(number, BEAT)
    assert story.after(0) == [Abandon(B, "no worker has loaded it within 30s", 1)]
    assert story.phases() == [Phase.SERVING, Phase.SERVING]
    assert story.crew.rollout.current is A


def test_what_is_due_next_is_known(story: Story) -> None:
    assert story.crew.due() == story.now + SILENT_SECONDS
    story.offers(B)
    for _ in range(int(LOAD_SECONDS / 2)):
        story.now += 2
        for number in range(2):
            story.says(number, BEAT)
    assert story.crew.due() == story.now


def test_one_that_dies_while_it_swaps_does_not_block_others(story: Story) -> None:
    story.offers(B)
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    story.takes(0)
    assert story.exits(1)[1:] == [InForce(A, B, 1)]


def test_one_that_does_not_swap_is_killed(story: Story) -> None:
    """It would let in whom the others refuse."""
    story.offers(B)
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    story.takes(0)
    for _ in range(int(LOAD_SECONDS)):
        story.now += 1
        for number in range(2):
            story.says(number, BEAT)
    assert story.after(0) == [Kill(1), InForce(A, B, 1)]


def test_what_comes_while_they_swap_waits(story: Story) -> None:
    story.offers(B)
    story.says(0, Loaded("B"))
    story.says(1, Loaded("B"))
    assert story.offers(C) == []
    story.takes(0)
    assert story.takes(1) == [InForce(A, B, 2), Send(0, C), Send(1, C)]
    assert story.takes(0) == []


def test_one_that_starts_while_they_swap_starts_with_the_new_policy(story: Story) -> None:
    story.exits(0)
    story.offers(B)
    story.says(1, Loaded("B"))
    assert story.after(0.1) == [Spawn(0), Send(0, B)]
