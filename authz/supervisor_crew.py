"""The crew: which worker is where, what it is to do next, and which snapshot all of them decide by. Pure bookkeeping.

Every method is told the time (seconds of one monotonic clock) and returns what is to be done; none of them does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authz.messages import Beat, Drain, Draining, Failed, Listening, Loaded, Swap, Swapped
from authz.supervisor_member import START_SECONDS, Member, Phase
from authz.supervisor_orders import Abandon, End, InForce, Kill, Note, Send, Spawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authz.messages import FromWorker, Load
    from authz.supervisor_orders import Order

__all__ = ["Crew"]

STARTS: Final = 5
LOAD_SECONDS: Final = 30.0


class Crew:
    """`size` workers that decide by one snapshot; one that drains has `drain` seconds to be gone.

    A snapshot is known by the order to load it.
    """

    def __init__(self, size: int, snapshot: Load, drain: float, now: float) -> None:
        self.members = [Member(number, now) for number in range(size)]
        self.current = snapshot
        self.restarts = 0
        self._coming: Load | None = None
        self._coming_due = 0.0
        self._before = snapshot
        self._swapping: set[int] | None = None
        self._next: Load | None = None
        self._drain = drain
        self._leaving = False

    # ---- what is so

    def serving(self) -> int:
        """Return how many workers answer requests and will go on to."""
        return sum(member.phase is Phase.SERVING and not member.doomed for member in self.members)

    def is_leaving(self) -> bool:
        """Say whether the whole crew drains."""
        return self._leaving

    def endpoints(self) -> tuple[str, ...]:
        """Return the first address of each worker that Envoy should ask. When all leave, those that still answer."""
        asked = {Phase.SERVING, Phase.DRAINING} if self._leaving else {Phase.SERVING}
        listed = (member for member in self.members if member.phase in asked and not member.doomed)
        return tuple(member.addresses[0] for member in listed if member.addresses)

    def latest(self) -> Load:
        """Return the snapshot that is in force once everything offered is."""
        return self._next or self._coming or self.current

    def needed(self) -> frozenset[Load]:
        """Return the snapshots that a worker may yet read."""
        told = (member.told for member in self.members)
        return frozenset(each for each in (self.current, self._coming, self._next, *told) if each is not None)

    def due(self) -> float | None:
        """Return when `tick` has something to do, if nothing happens before."""
        dues = [member.due for member in self.members if member.phase is not Phase.GONE and not member.doomed]
        if self._coming is not None:
            dues.append(self._coming_due)
        return min(dues, default=None)

    # ---- what happens

    def tick(self, now: float) -> list[Order]:
        """Do what is due: start workers, end those that do not move."""
        orders: list[Order] = []
        for member in self.members:
            if member.doomed or member.due > now:
                continue
            match member.phase:
                case Phase.RESTING:
                    member.start(self.current, now)
                    orders += [Spawn(member.number), self._load(member, self.current)]
                case Phase.STARTING:
                    orders += self._doom(member, f"did not start within {START_SECONDS:.0f}s")
                case Phase.SERVING:
                    orders += self._doom(member, "does not move")
                case Phase.DRAINING:
                    orders += self._doom(member, "did not finish in time")
                case _:
                    pass
        if self._coming is not None and self._coming_due <= now:
            orders += self._lose_patience(self._coming, now)
        return orders

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
                return [Note("info", f"listening on {address}") for address in addresses]
            case Draining():
                return self._drains(member, now)
            case Swapped(revision):
                return self._swapped(number, revision, now)
            case Loaded(revision):
                return self._loaded(member, revision, now)
            case Failed(text):
                return self._failed(member, text, now)
        return []

    def exited(self, number: int, how: str, now: float) -> list[Order]:
        """Take note that a worker's process is gone, and how it ended."""
        member = self.members[number]
        drained = member.phase is Phase.DRAINING and not member.doomed
        if drained:
            member.reason = "has drained"
        began = member.serves != ""
        pause = member.end(how, now)
        orders: list[Order] = []
        if self._leaving:
            member.leave()
            if began and not drained:
                orders.append(Note("warning", f"worker {number} {member.reason}"))
            if all(each.phase is Phase.GONE for each in self.members):
                return [*orders, End(None)]
        else:
            self.restarts += 1
            then = f"another starts in {pause:g}s" if pause else "another starts"
            orders.append(Note("info" if drained else "warning", f"worker {number} {member.reason}: {then}"))
            if self._is_hopeless():
                return [*orders, End(f"no worker can start, tried {STARTS} times: {member.reason}")]
        return orders + self._withdraw(number, now)

    def offer(self, snapshot: Load, now: float) -> list[Order]:
        """Bring a snapshot into force: every worker loads it, then all swap. Of several that wait the latest wins."""
        if self._coming is not None:
            self._next = snapshot
            return []
        self._coming, self._coming_due, self._swapping = snapshot, now + LOAD_SECONDS, None
        return [self._load(member, snapshot) for member in self._participants()] + self._settle(now)

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
                orders += [] if member.doomed else self._doom(member, "was not needed any more")
            elif member.takes_part() and member.phase is not Phase.DRAINING:
                member.drain(now, self._drain)
                orders.append(Send(member.number, Drain()))
        if all(member.phase is Phase.GONE for member in self.members):
            orders.append(End(None))
        return orders

    # ---- how

    def _loaded(self, member: Member, revision: str, now: float) -> list[Order]:
        if member.told is None or revision != member.told.revision:
            return []
        member.ready = revision
        if member.serves:
            return self._settle(now)
        if member.told is not self.current:
            return [self._load(member, self.current)]
        member.serves = revision
        swap = Send(member.number, Swap(revision))
        # It answers with the others from here on, so it loads what they load.
        coming = self._coming if self._swapping is None else None
        return [swap] if coming is None else [swap, self._load(member, coming)]

    def _failed(self, member: Member, text: str, now: float) -> list[Order]:
        if self._coming is not None and member.told is self._coming and member.phase is not Phase.STARTING:
            return self._abandon(self._coming, f"worker {member.number} cannot load it: {text}", now)
        member.reason = f"failed: {text}"
        return []

    def _drains(self, member: Member, now: float) -> list[Order]:
        if member.phase is Phase.DRAINING:
            return []
        member.drain(now, self._drain)
        return [Note("info", f"worker {member.number} drains")]

    def _load(self, member: Member, snapshot: Load) -> Send:
        member.told, member.ready = snapshot, ""
        return Send(member.number, snapshot)

    def _doom(self, member: Member, reason: str) -> list[Order]:
        member.doomed, member.reason = True, reason
        return [Kill(member.number)]

    def _participants(self) -> Iterator[Member]:
        return (member for member in self.members if member.takes_part())

    def _settle(self, now: float) -> list[Order]:
        """Let all swap once everyone has loaded what is coming."""
        coming = self._coming
        if coming is None or self._swapping is not None:
            return []
        crew = list(self._participants())
        if any(member.told is not coming or member.ready != coming.revision for member in crew):
            return []
        for member in crew:
            member.serves = coming.revision
        self._before, self.current = self.current, coming
        self._swapping = {member.number for member in crew}
        return [*(Send(number, Swap(coming.revision)) for number in sorted(self._swapping)), *self._conclude(now)]

    def _swapped(self, number: int, revision: str, now: float) -> list[Order]:
        return self._withdraw(number, now) if revision == self.current.revision else []

    def _withdraw(self, number: int, now: float) -> list[Order]:
        """Wait no longer for that worker."""
        if self._swapping is None:
            return self._settle(now)
        self._swapping.discard(number)
        return self._conclude(now)

    def _conclude(self, now: float) -> list[Order]:
        """Say so once everyone has swapped, and go on to the next."""
        if self._swapping:
            return []
        self._coming, self._swapping = None, None
        return [InForce(self._before, self.current, self.serving()), *self._offer_next(now)]

    def _lose_patience(self, coming: Load, now: float) -> list[Order]:
        """End who does not get it loaded, if others do; else it is the snapshot that must go."""
        crew = list(self._participants())
        if self._swapping is not None:
            slow = [member for member in crew if member.number in self._swapping]
            self._swapping.clear()
        else:
            slow = [member for member in crew if member.told is not coming or member.ready != coming.revision]
            if len(slow) == len(crew):
                return self._abandon(coming, f"no worker has loaded it within {LOAD_SECONDS:.0f}s", now)
        orders = _flat(self._doom(member, f"did not take a policy within {LOAD_SECONDS:.0f}s") for member in slow)
        return orders + (self._settle(now) if self._swapping is None else self._conclude(now))

    def _abandon(self, coming: Load, text: str, now: float) -> list[Order]:
        self._coming = None
        return [Abandon(coming, text), *self._offer_next(now)]

    def _offer_next(self, now: float) -> list[Order]:
        waiting, self._next = self._next, None
        return [] if waiting is None else self.offer(waiting, now)

    def _is_hopeless(self) -> bool:
        if any(member.phase in {Phase.SERVING, Phase.DRAINING} for member in self.members):
            return False
        return all(member.failed_starts >= STARTS for member in self.members)


def _flat(every: Iterable[list[Order]]) -> list[Order]:
    return [order for orders in every for order in orders]
