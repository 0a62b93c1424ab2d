"""A member of the crew: one worker's place, whatever process holds it at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz.serving.messages import Load

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
GOOD_SERVICE: Final = 10.0
SILENCE: Final = 3.0
START_SECONDS: Final = 60.0


class Phase(StrEnum):
    """How far a worker is."""

    RESTING = "resting"
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(slots=True)
class Member:
    """What the supervisor knows of one worker. Times are seconds of one monotonic clock.

    `due` is when the next thing is to be done about it; `told` is what it was last told to load, `ready` the
    revision it has loaded, `failed` why it cannot load it, `serves` the revision it was told to decide by.
    `reading` holds what it was told to load and has not answered yet, in the order in which it will.
    """

    number: int
    due: float
    phase: Phase = Phase.RESTING
    since: float = 0.0
    addresses: tuple[str, ...] = ()
    told: Load | None = None
    reading: list[Load] = field(default_factory=list)
    ready: str = ""
    failed: str | None = None
    serves: str = ""
    failures: int = 0
    failed_starts: int = 0
    reason: str = ""
    doomed: bool = False

    def is_running(self) -> bool:
        """Say whether there is a process."""
        return self.phase in {Phase.STARTING, Phase.SERVING, Phase.DRAINING}

    def takes_part(self) -> bool:
        """Say whether it answers requests, or is about to: then it must swap when the others do."""
        return self.is_running() and self.serves != "" and not self.doomed

    def start(self, snapshot: Load, now: float) -> None:
        """Note that a process starts, with that snapshot to load."""
        self.phase, self.since, self.due = Phase.STARTING, now, now + START_SECONDS
        self._forget()
        self.reason = ""
        self.load(snapshot)

    def load(self, snapshot: Load) -> None:
        """Note that it is told to load something."""
        self.told, self.ready, self.failed = snapshot, "", None
        self.reading.append(snapshot)

    def answers(self, revision: str) -> bool:
        """Note that it has done with a snapshot; return whether that is the one it was told last."""
        revisions = [snapshot.revision for snapshot in self.reading]
        if revision not in revisions:
            return False
        del self.reading[: revisions.index(revision) + 1]
        return not self.reading

    def serve(self, addresses: tuple[str, ...], now: float) -> None:
        """Note that it answers requests from now on; one that was told to drain meanwhile still does."""
        self.addresses, self.failed_starts = addresses, 0
        if self.phase is Phase.STARTING:
            self.phase, self.since = Phase.SERVING, now
            self.hear(now)

    def hear(self, now: float) -> None:
        """Note a sign of life. One that drains has a deadline whatever it says."""
        if self.phase is Phase.SERVING:
            self.due = now + SILENCE

    def drain(self, now: float, seconds: float) -> None:
        """Note that it finishes, and has that long."""
        self.phase, self.since, self.due = Phase.DRAINING, now, now + seconds

    def end(self, how: str, now: float) -> float:
        """Note that the process is gone; return how long to wait before the next."""
        self.reason = self.reason or how
        pause = 0.0
        if self.phase is not Phase.DRAINING:
            served = self.phase is Phase.SERVING and now - self.since >= GOOD_SERVICE
            self.failures = 1 if served else self.failures + 1
            self.failed_starts += self.phase is Phase.STARTING
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - 1, 10))
        self.phase, self.since, self.due = Phase.RESTING, now, now + pause
        self._forget()
        return pause

    def doom(self, reason: str) -> None:
        """Note that its process is being killed, and why."""
        self.doomed, self.reason = True, reason

    def leave(self) -> None:
        """Note that no process is to follow."""
        self.phase = Phase.GONE

    def _forget(self) -> None:
        """Know nothing of the process that was."""
        self.addresses, self.told, self.ready, self.failed, self.serves = (), None, "", None, ""
        self.reading.clear()
        self.doomed = False
