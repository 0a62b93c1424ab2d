"""The rollout: brings one snapshot after another into force, in every worker that answers requests or in none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authz.serving.messages import Load, Swap
from authz.serving.supervision.member import Member
from authz.serving.supervision.orders import Abandon, InForce, Kill, Order, Send

PATIENCE: Final = 30.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0


class Rollout:
    """First all load what is coming, then all swap. Of several that wait meanwhile only the latest follows.

    The supervisor has loaded what is offered, so a worker that cannot is at fault itself: it is replaced if any other
    can. If none can, the snapshot is offered again after a pause, until it is in force or something else is wanted.

    A snapshot is known by the order to load it. `current` is what a worker that starts must decide by.
    """

    def __init__(self, snapshot: Load, members: Sequence[Member]) -> None:
        self.current = snapshot
        self._members = members
        self._before = snapshot
        self._coming: Load | None = None
        self._due = 0.0
        self._next: Load | None = None
        self._again: Load | None = None
        self._pause = FIRST_PAUSE
        self._swapping: set[int] | None = None

    def latest(self) -> Load:
        """Return the snapshot that is in force once everything offered is."""
        return self._next or self._coming or self.current

    def needed(self) -> frozenset[Load]:
        """Return the snapshots that a worker may yet read."""
        wanted = (self.current, self._coming, self._next, self._again)
        reading = (each for member in self._members for each in member.reading)
        return frozenset(each for each in (*wanted, *reading) if each is not None)

    def due(self) -> float | None:
        """Return when patience is lost with what is coming, or what was given up is offered again."""
        return None if self._coming is None and self._again is None else self._due

    def offer(self, snapshot: Load, now: float) -> list[Order]:
        """Bring a snapshot into force, now or after the one that is coming."""
        if self._coming is not None:
            self._next = snapshot
            return []
        if snapshot is not self._again:
            self.content()
        self._again = None
        self._coming, self._due, self._swapping = snapshot, now + PATIENCE, None
        # Who is still at it, since it was offered before, need not begin anew.
        new = [member for member in self._participants() if snapshot not in member.reading]
        return [_load(member, snapshot) for member in new] + self._settle(now)

    def content(self) -> None:
        """Offer nothing again of what was given up: something else is wanted."""
        self._again, self._pause = None, FIRST_PAUSE

    def loaded(self, member: Member, revision: str, now: float) -> list[Order]:
        """Take note that a worker has something ready."""
        if not member.answers(revision):
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

    def failed(self, member: Member, revision: str, text: str, now: float) -> list[Order]:
        """Take note that a worker that serves cannot load something."""
        if not member.answers(revision):
            return []
        member.failed = text
        return self._settle(now)

    def withdraw(self, member: Member, now: float) -> list[Order]:
        """Wait no longer for a worker."""
        if self._swapping is None:
            return self._settle(now)
        self._swapping.discard(member.number)
        return self._conclude(now)

    def tick(self, now: float) -> list[Order]:
        """End who does not get it loaded, if others do; offer again what was given up."""
        if self._due > now:
            return []
        coming = self._coming
        if coming is None:
            return [] if self._again is None else self.offer(self._again, now)
        crew = self._participants()
        if self._swapping is not None:
            slow = [member for member in crew if member.number in self._swapping]
            self._swapping.clear()
        else:
            slow = [member for member in crew if not _has(member, coming)]
            if len(slow) == len(crew):
                return self._abandon(coming, f"no worker has loaded it within {PATIENCE:g}s", now)
        kills = [_doom(member, f"did not load or use a new policy within {PATIENCE:g}s") for member in slow]
        return kills + (self._settle(now) if self._swapping is None else self._conclude(now))

    def _participants(self) -> list[Member]:
        return [member for member in self._members if member.takes_part()]

    def _settle(self, now: float) -> list[Order]:
        """Let all swap once everyone has loaded what is coming, but for those that cannot."""
        coming, crew = self._coming, self._participants()
        if coming is None or self._swapping is not None:
            return []
        failed = [(member, member.failed) for member in crew if member.failed is not None]
        able = [member for member in crew if _has(member, coming)]
        if len(failed) + len(able) < len(crew):
            return []
        if failed and not able:
            return self._abandon(coming, "; ".join(f"worker {each.number}: {text}" for each, text in failed), now)
        for member in able:
            member.serves = coming.revision
        self._before, self.current = self.current, coming
        self._swapping = {member.number for member in able}
        kills = [_doom(member, f"could not load a new policy: {text}") for member, text in failed]
        return [*kills, *(Send(member.number, Swap(coming.revision)) for member in able), *self._conclude(now)]

    def _conclude(self, now: float) -> list[Order]:
        """Say so once everyone has swapped, and go on to the next."""
        if self._swapping:
            return []
        self._coming, self._swapping, self._pause = None, None, FIRST_PAUSE
        workers = sum(member.serves == self.current.revision for member in self._participants())
        return [InForce(self._before, self.current, workers), *self._offer_next(now)]

    def _abandon(self, coming: Load, cause: str, now: float) -> list[Order]:
        self._coming = None
        if self._next is not None:
            return [Abandon(coming, cause, None), *self._offer_next(now)]
        self._again, self._due = coming, now + self._pause
        told = Abandon(coming, cause, self._pause)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        return [told]

    def _offer_next(self, now: float) -> list[Order]:
        waiting, self._next = self._next, None
        return [] if waiting is None else self.offer(waiting, now)


def _has(member: Member, snapshot: Load) -> bool:
    return member.told is snapshot and member.ready == snapshot.revision


def _load(member: Member, snapshot: Load) -> Send:
    member.load(snapshot)
    return Send(member.number, snapshot)


def _doom(member: Member, reason: str) -> Order:
    member.doom(reason)
    return Kill(member.number)
