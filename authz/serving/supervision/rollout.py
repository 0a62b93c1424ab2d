"""The rollout: puts one snapshot after another into force, in every worker that answers requests or in none."""

from collections.abc import Sequence
from typing import Final

from authz.serving.messages import Load, Swap
from authz.serving.supervision.member import Member
from authz.serving.supervision.orders import Abandon, InForce, Order, Send

LOAD_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0


class Rollout:
    """First all workers load the new snapshot, then all swap to it. Of several that come meanwhile, the latest is next.

    The supervisor has checked what is offered, so a worker that cannot load it has a problem of its own: it is replaced
    if another can. If none can, the snapshot is offered again after a pause, until it or a newer one is in force.

    A snapshot is known by the order to load it. `current` is what a worker that starts must decide by.
    """

    def __init__(self, snapshot: Load, members: Sequence[Member]) -> None:
        self.current = snapshot
        self._members = members
        self._before = snapshot
        self._coming: Load | None = None
        self._due = 0.0
        self._next: Load | None = None
        self._retry: Load | None = None
        self._pause = FIRST_PAUSE
        self._swapping: set[int] | None = None

    def latest(self) -> Load:
        """Return the snapshot that is in force once everything offered is."""
        return self._next or self._coming or self.current

    def needed(self) -> frozenset[Load]:
        """Return the snapshots that a worker may still read."""
        wanted = (self.current, self._coming, self._next, self._retry)
        reading = (each for member in self._members for each in member.loading)
        return frozenset(each for each in (*wanted, *reading) if each is not None)

    def due(self) -> float | None:
        """Return when the time to load is up, or when a failed snapshot is offered again."""
        return None if self._coming is None and self._retry is None else self._due

    def offer(self, snapshot: Load, now: float) -> list[Order]:
        """Put a snapshot into force, now or after the one that is being loaded."""
        if self._coming is not None:
            self._next = snapshot
            return []
        if snapshot is not self._retry:
            self.stop_retrying()
        self._retry = None
        self._coming, self._due, self._swapping = snapshot, now + LOAD_SECONDS, None
        # Workers that still load this snapshot get no second order.
        new = [member for member in self._participants() if snapshot not in member.loading]
        return [member.load(snapshot) for member in new] + self._swap_once_loaded(now)

    def stop_retrying(self) -> None:
        """Do not offer a failed snapshot again: another one is wanted."""
        self._retry, self._pause = None, FIRST_PAUSE

    def loaded(self, member: Member, revision: str, now: float) -> list[Order]:
        """Handle that a worker has loaded a revision."""
        if not member.finished_loading(revision):
            return []
        member.ready = revision
        if member.revision:
            return self._swap_once_loaded(now)
        if member.last_load is not self.current:
            return [member.load(self.current)]
        member.revision = revision
        swap = Send(member.number, Swap(revision))
        # From here on it answers requests as the others do, so it loads what they load.
        coming = self._coming if self._swapping is None else None
        return [swap] if coming is None else [swap, member.load(coming)]

    def swapped(self, member: Member, revision: str, now: float) -> list[Order]:
        """Handle that a worker decides by another revision from now on."""
        return self.stop_waiting_for(member, now) if revision == self.current.revision else []

    def failed(self, member: Member, revision: str, text: str, now: float) -> list[Order]:
        """Handle that a worker that serves could not load a revision."""
        if not member.finished_loading(revision):
            return []
        member.failed = text
        return self._swap_once_loaded(now)

    def stop_waiting_for(self, member: Member, now: float) -> list[Order]:
        """Stop waiting for a worker."""
        if self._swapping is None:
            return self._swap_once_loaded(now)
        self._swapping.discard(member.number)
        return self._finish_once_swapped(now)

    def tick(self, now: float) -> list[Order]:
        """Kill workers that were too slow, if others were not; offer a failed snapshot again when it is time."""
        if self._due > now:
            return []
        coming = self._coming
        if coming is None:
            return [] if self._retry is None else self.offer(self._retry, now)
        crew = self._participants()
        if self._swapping is not None:
            slow = [member for member in crew if member.number in self._swapping]
            self._swapping.clear()
        else:
            slow = [member for member in crew if not _has(member, coming)]
            if len(slow) == len(crew):
                return self._abandon(coming, f"no worker has loaded it within {LOAD_SECONDS:g}s", now)
        kills = [member.kill(f"did not load or use a new policy within {LOAD_SECONDS:g}s") for member in slow]
        return kills + (self._swap_once_loaded(now) if self._swapping is None else self._finish_once_swapped(now))

    def _participants(self) -> list[Member]:
        return [member for member in self._members if member.takes_part()]

    def _swap_once_loaded(self, now: float) -> list[Order]:
        """Have all workers swap once each has loaded the new snapshot or failed to."""
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
            member.revision = coming.revision
        self._before, self.current = self.current, coming
        self._swapping = {member.number for member in able}
        kills = [member.kill(f"could not load a new policy: {text}") for member, text in failed]
        return [
            *kills,
            *(Send(member.number, Swap(coming.revision)) for member in able),
            *self._finish_once_swapped(now),
        ]

    def _finish_once_swapped(self, now: float) -> list[Order]:
        """Report the new snapshot once all have swapped, and go on to the next."""
        if self._swapping:
            return []
        self._coming, self._swapping, self._pause = None, None, FIRST_PAUSE
        workers = sum(member.revision == self.current.revision for member in self._participants())
        return [InForce(self._before, self.current, workers), *self._offer_next(now)]

    def _abandon(self, coming: Load, cause: str, now: float) -> list[Order]:
        self._coming = None
        if self._next is not None:
            return [Abandon(coming, cause, None), *self._offer_next(now)]
        self._retry, self._due = coming, now + self._pause
        order = Abandon(coming, cause, self._pause)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        return [order]

    def _offer_next(self, now: float) -> list[Order]:
        waiting, self._next = self._next, None
        return [] if waiting is None else self.offer(waiting, now)


def _has(member: Member, snapshot: Load) -> bool:
    return member.last_load is snapshot and member.ready == snapshot.revision
