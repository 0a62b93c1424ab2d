"""The crew: the state of every worker, and what to do next. It does no I/O.

Methods get the time, in seconds of one monotonic clock, and return orders; the supervisor carries them out.
"""

from typing import Final

from authz.observing import events
from authz.observing.state import WorkerCounts
from authz.serving.messages import Drain, Draining, Failed, FromWorker, Heartbeat, Listening, Load, Loaded, Swapped
from authz.serving.supervision.member import SILENT_SECONDS, START_SECONDS, Member, Phase
from authz.serving.supervision.orders import End, Order, Send
from authz.serving.supervision.rollout import Rollout

STARTS: Final = 5


class Crew:
    """`size` workers that decide by one snapshot; one that drains has `drain` seconds to be gone.

    `is_leaving` says that all workers drain, because the service stops.
    """

    def __init__(self, size: int, snapshot: Load, drain: float, now: float) -> None:
        self.members = [Member(number, now) for number in range(size)]
        self.rollout = Rollout(snapshot, self.members)
        self.restarts = 0
        self._drain = drain
        self.is_leaving = False

    # ---- the state

    def serving(self) -> int:
        """Return how many workers answer requests and will go on to."""
        return sum(member.phase is Phase.SERVING and not member.ending for member in self.members)

    def counts(self) -> WorkerCounts:
        """Return how many workers serve, how many there should be, and how many were replaced."""
        return WorkerCounts(self.serving(), len(self.members), self.restarts)

    def is_ready(self) -> bool:
        """Whether a worker serves, and will go on to."""
        return self.serving() > 0 and not self.is_leaving

    def endpoints(self) -> tuple[str, ...]:
        """Return the first address of each worker that Envoy should ask. When all leave, those that still answer."""
        asked = {Phase.SERVING, Phase.DRAINING} if self.is_leaving else {Phase.SERVING}
        listed = (member for member in self.members if member.phase in asked and not member.ending)
        return tuple(member.addresses[0] for member in listed if member.addresses)

    def due(self) -> float | None:
        """Return when to call `tick` next, if nothing happens before."""
        dues = [member.due for member in self.members if member.phase is not Phase.GONE and not member.ending]
        patience = self.rollout.due()
        return min(dues if patience is None else [*dues, patience], default=None)

    # ---- what happens

    def tick(self, now: float) -> list[Order]:
        """Do what is due: start workers, kill those that have used up their time."""
        orders: list[Order] = []
        for member in self.members:
            if member.ending or member.due > now:
                continue
            match member.phase:
                case Phase.RESTING:
                    orders += member.start(self.rollout.current, now)
                case Phase.STARTING:
                    orders.append(member.kill(f"did not start within {START_SECONDS:g}s"))
                case Phase.SERVING:
                    orders.append(member.kill(f"no heartbeat for {SILENT_SECONDS:g}s"))
                case Phase.DRAINING:
                    orders.append(member.kill("did not drain in time"))
                case _:
                    pass
        return orders + self.rollout.tick(now)

    def receive(self, number: int, message: FromWorker, now: float) -> list[Order]:
        """Handle a message from a worker."""
        member = self.members[number]
        if member.ending:
            return []
        match message:
            case Heartbeat():
                member.heartbeat(now)
            case Listening(addresses):
                member.serve(addresses, now)
                return [events.worker_listening(number, address) for address in addresses]
            case Draining():
                if member.phase is not Phase.DRAINING:
                    member.drain(now, self._drain)
                    return [events.worker_draining(number)]
            case Swapped(revision):
                return self.rollout.swapped(member, revision, now)
            case Loaded(revision):
                return self.rollout.loaded(member, revision, now)
            case Failed(text, revision):
                if revision is not None and member.revision:
                    return self.rollout.failed(member, revision, text, now)
                member.reason = text  # the process ends by itself
        return []

    def exited(self, number: int, how: str, now: float) -> list[Order]:
        """Handle the end of a worker's process; `how` says how it ended."""
        member = self.members[number]
        drained = member.phase is Phase.DRAINING and not member.ending
        began = member.revision != ""
        pause = member.end(how, now)
        orders: list[Order] = []
        if self.is_leaving:
            member.leave()
            if began and not drained:
                orders.append(events.worker_stopped_early(number, member.reason))
            if all(each.phase is Phase.GONE for each in self.members):
                return [*orders, events.service_stopped(), End(0)]
        else:
            self.restarts += 1
            restarted = events.worker_restarted(number, member.reason, pause)
            orders.append(events.worker_drained(number) if drained else restarted)
            if self._no_worker_can_start():
                return [*orders, events.no_worker_can_start(STARTS, member.reason), End(1)]
        return orders + self.rollout.stop_waiting_for(member, now)

    def leave(self, now: float) -> list[Order]:
        """Drain all workers; the service ends with the last."""
        if self.is_leaving:
            return []
        self.is_leaving = True
        orders: list[Order] = []
        for member in self.members:
            if member.phase is Phase.RESTING:
                member.leave()
            elif member.revision == "" and member.is_running():  # it has no request yet
                orders += [] if member.ending else [member.kill("the service stops")]
            elif member.takes_part() and member.phase is not Phase.DRAINING:
                member.drain(now, self._drain)
                orders.append(Send(member.number, Drain()))
        if all(member.phase is Phase.GONE for member in self.members):
            orders += [events.service_stopped(), End(0)]
        return orders

    def _no_worker_can_start(self) -> bool:
        if any(member.phase in {Phase.SERVING, Phase.DRAINING} for member in self.members):
            return False
        return all(member.failed_starts >= STARTS for member in self.members)
