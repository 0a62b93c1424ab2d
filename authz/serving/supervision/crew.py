"""The crew: which worker is where, and what it is to do next. Pure bookkeeping.

Every method is told the time (seconds of one monotonic clock) and returns what is to be done; none of them does it.
"""

from __future__ import annotations

from typing import Final

from authz.observing.events import (
    NoWorkerCanStart,
    ServiceStopped,
    WorkerDrained,
    WorkerDraining,
    WorkerListening,
    WorkerRestarted,
    WorkerStoppedEarly,
)
from authz.observing.state import WorkerCounts
from authz.serving.messages import Beat, Drain, Draining, Failed, FromWorker, Listening, Load, Loaded, Swapped
from authz.serving.supervision.member import SILENCE, START_SECONDS, Member, Phase
from authz.serving.supervision.orders import End, Kill, Order, Send, Spawn
from authz.serving.supervision.rollout import Rollout

STARTS: Final = 5


class Crew:
    """`size` workers that decide by one snapshot; one that drains has `drain` seconds to be gone."""

    def __init__(self, size: int, snapshot: Load, drain: float, now: float) -> None:
        self.members = [Member(number, now) for number in range(size)]
        self.rollout = Rollout(snapshot, self.members)
        self.restarts = 0
        self._drain = drain
        self._leaving = False

    # ---- what is so

    def serving(self) -> int:
        """Return how many workers answer requests and will go on to."""
        return sum(member.phase is Phase.SERVING and not member.doomed for member in self.members)

    def counts(self) -> WorkerCounts:
        """Return how many workers serve, how many there should be, and how many were replaced."""
        return WorkerCounts(self.serving(), len(self.members), self.restarts)

    def is_ready(self) -> bool:
        """Whether a worker serves, and will go on to."""
        return self.serving() > 0 and not self._leaving

    def is_leaving(self) -> bool:
        """Say whether the whole crew drains."""
        return self._leaving

    def endpoints(self) -> tuple[str, ...]:
        """Return the first address of each worker that Envoy should ask. When all leave, those that still answer."""
        asked = {Phase.SERVING, Phase.DRAINING} if self._leaving else {Phase.SERVING}
        listed = (member for member in self.members if member.phase in asked and not member.doomed)
        return tuple(member.addresses[0] for member in listed if member.addresses)

    def due(self) -> float | None:
        """Return when `tick` has something to do, if nothing happens before."""
        dues = [member.due for member in self.members if member.phase is not Phase.GONE and not member.doomed]
        patience = self.rollout.due()
        return min(dues if patience is None else [*dues, patience], default=None)

    # ---- what happens

    def tick(self, now: float) -> list[Order]:
        """Do what is due: start workers, end those that do not move."""
        orders: list[Order] = []
        for member in self.members:
            if member.doomed or member.due > now:
                continue
            match member.phase:
                case Phase.RESTING:
                    snapshot = self.rollout.current
                    member.start(snapshot, now)
                    orders += [Spawn(member.number), Send(member.number, snapshot)]
                case Phase.STARTING:
                    orders += _doom(member, f"did not start within {START_SECONDS:g}s")
                case Phase.SERVING:
                    orders += _doom(member, f"no heartbeat for {SILENCE:g}s")
                case Phase.DRAINING:
                    orders += _doom(member, "did not drain in time")
                case _:
                    pass
        return orders + self.rollout.tick(now)

    def hear(self, number: int, message: FromWorker, now: float) -> list[Order]:
        """Take what a worker says."""
        member = self.members[number]
        if member.doomed:
            return []
        match message:
            case Beat():
                member.hear(now)
            case Listening(addresses):
                member.serve(addresses, now)
                return [WorkerListening(number, address) for address in addresses]
            case Draining():
                return self._drains(member, now)
            case Swapped(revision):
                return self.rollout.swapped(member, revision, now)
            case Loaded(revision):
                return self.rollout.loaded(member, revision, now)
            case Failed(text, revision):
                return self._failed(member, text, revision, now)
        return []

    def exited(self, number: int, how: str, now: float) -> list[Order]:
        """Take note that a worker's process is gone, and how it ended."""
        member = self.members[number]
        drained = member.phase is Phase.DRAINING and not member.doomed
        began = member.serves != ""
        pause = member.end(how, now)
        orders: list[Order] = []
        if self._leaving:
            member.leave()
            if began and not drained:
                orders.append(WorkerStoppedEarly(number, member.reason))
            if all(each.phase is Phase.GONE for each in self.members):
                return [*orders, ServiceStopped(), End(0)]
        else:
            self.restarts += 1
            orders.append(WorkerDrained(number) if drained else WorkerRestarted(number, member.reason, pause))
            if self._is_hopeless():
                return [*orders, NoWorkerCanStart(STARTS, member.reason), End(1)]
        return orders + self.rollout.withdraw(member, now)

    def leave(self, now: float) -> list[Order]:
        """Drain all, to end when the last is gone."""
        if self._leaving:
            return []
        self._leaving = True
        orders: list[Order] = []
        for member in self.members:
            if member.phase is Phase.RESTING:
                member.leave()
            elif member.serves == "" and member.is_running():  # it has answered nothing yet
                orders += [] if member.doomed else _doom(member, "the service stops")
            elif member.takes_part() and member.phase is not Phase.DRAINING:
                member.drain(now, self._drain)
                orders.append(Send(member.number, Drain()))
        if all(member.phase is Phase.GONE for member in self.members):
            orders += [ServiceStopped(), End(0)]
        return orders

    # ---- how

    def _failed(self, member: Member, text: str, revision: str | None, now: float) -> list[Order]:
        if revision is None or member.serves == "":  # it ends of itself
            member.reason = text
            return []
        return self.rollout.failed(member, revision, text, now)

    def _drains(self, member: Member, now: float) -> list[Order]:
        if member.phase is Phase.DRAINING:
            return []
        member.drain(now, self._drain)
        return [WorkerDraining(member.number)]

    def _is_hopeless(self) -> bool:
        if any(member.phase in {Phase.SERVING, Phase.DRAINING} for member in self.members):
            return False
        return all(member.failed_starts >= STARTS for member in self.members)


def _doom(member: Member, reason: str) -> list[Order]:
    member.doom(reason)
    return [Kill(member.number)]
