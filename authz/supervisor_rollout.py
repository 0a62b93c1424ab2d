"""The rollout: brings one snapshot after another into force, in every worker that answers requests or in none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authz.messages import Swap
from authz.supervisor_member import Phase
from authz.supervisor_orders import Abandon, InForce, Kill, Send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authz.messages import Load
    from authz.supervisor_member import Member
    from authz.supervisor_orders import Order

__all__ = ["PATIENCE", "Rollout"]

PATIENCE: Final = 30.0


class Rollout:
    """First all load what is coming, then all swap. Of several that wait meanwhile only the latest follows.

    A snapshot is known by the order to load it. `current` is what a worker that starts must decide by.
    """

    def __init__(self, snapshot: Load, members: Sequence[Member]) -> None:
        self.current = snapshot
        self._members = members
        self._before = snapshot
        self._coming: Load | None = None
        self._due = 0.0
        self._next: Load | None = None
        self._swapping: set[int] | None = None

    def latest(self) -> Load:
        """Return the snapshot that is in force once everything offered is."""
        return self._next or self._coming or self.current

    def needed(self) -> frozenset[Load]:
        """Return the snapshots that a worker may yet read."""
        told = (member.told for member in self._members)
        return frozenset(each for each in (self.current, self._coming, self._next, *told) if each is not None)

    def due(self) -> float | None:
        """Return when patience is lost with what is coming."""
        return None if self._coming is None else self._due

    def offer(self, snapshot: Load, now: float) -> list[Order]:
        """Bring a snapshot into force, now or after the one that is coming."""
        if self._coming is not None:
            self._next = snapshot
            return []
        self._coming, self._due, self._swapping = snapshot, now + PATIENCE, None
        return [_load(member, snapshot) for member in self._participants()] + self._settle(now)

    def loaded(self, member: Member, revision: str, now: float) -> list[Order]:
        """Take note that a worker has something ready."""
        if member.told is None or revision != member.told.revision:
            return []
        member.ready = revision
        if member.serves:
            return self._settle(now)
        if member.told is not self.current:
            return [_load(member, self.current)]
        member.serves = revision
        swap = Send(member.number, Swap(revision))
        # It answers with the others from here on, so it loads what they load.
        coming = self._coming if self._swapping is None else None
        return [swap] if coming is None else [swap, _load(member, coming)]

    def swapped(self, member: Member, revision: str, now: float) -> list[Order]:
        """Take note that a worker decides by something else from now on."""
        return self.withdraw(member, now) if revision == self.current.revision else []

    def failed(self, member: Member, text: str, now: float) -> list[Order] | None:
        """Give up what is coming because a worker cannot load it, or return None if that is not what has failed."""
        if self._coming is None or member.told is not self._coming or member.phase is Phase.STARTING:
            return None
        return self._abandon(self._coming, f"worker {member.number} cannot load it: {text}", now)

    def withdraw(self, member: Member, now: float) -> list[Order]:
        """Wait no longer for a worker."""
        if self._swapping is None:
            return self._settle(now)
        self._swapping.discard(member.number)
        return self._conclude(now)

    def tick(self, now: float) -> list[Order]:
        """End who does not get it loaded, if others do; else it is the snapshot that must go."""
        coming = self._coming
        if coming is None or self._due > now:
            return []
        crew = self._participants()
        if self._swapping is not None:
            slow = [member for member in crew if member.number in self._swapping]
            self._swapping.clear()
        else:
            slow = [member for member in crew if not _has(member, coming)]
            if len(slow) == len(crew):
                return self._abandon(coming, f"no worker has loaded it within {PATIENCE:.0f}s", now)
        for member in slow:
            member.doom(f"did not take a policy within {PATIENCE:.0f}s")
        kills: list[Order] = [Kill(member.number) for member in slow]
        return kills + (self._settle(now) if self._swapping is None else self._conclude(now))

    def _participants(self) -> list[Member]:
        return [member for member in self._members if member.takes_part()]

    def _settle(self, now: float) -> list[Order]:
        """Let all swap once everyone has loaded what is coming."""
        coming, crew = self._coming, self._participants()
        if coming is None or self._swapping is not None or not all(_has(member, coming) for member in crew):
            return []
        for member in crew:
            member.serves = coming.revision
        self._before, self.current = self.current, coming
        self._swapping = {member.number for member in crew}
        return [*(Send(member.number, Swap(coming.revision)) for member in crew), *self._conclude(now)]

    def _conclude(self, now: float) -> list[Order]:
        """Say so once everyone has swapped, and go on to the next."""
        if self._swapping:
            return []
        self._coming, self._swapping = None, None
        workers = sum(member.serves == self.current.revision for member in self._participants())
        return [InForce(self._before, self.current, workers), *self._offer_next(now)]

    def _abandon(self, coming: Load, text: str, now: float) -> list[Order]:
        self._coming = None
        return [Abandon(coming, text), *self._offer_next(now)]

    def _offer_next(self, now: float) -> list[Order]:
        waiting, self._next = self._next, None
        return [] if waiting is None else self.offer(waiting, now)


def _has(member: Member, snapshot: Load) -> bool:
    return member.told is snapshot and member.ready == snapshot.revision


def _load(member: Member, snapshot: Load) -> Send:
    member.told, member.ready = snapshot, ""
    return Send(member.number, snapshot)
