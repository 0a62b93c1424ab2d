"""A member of the crew: the state of one worker, across the processes that run it one after the other."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz.serving.messages import Load
from authz.serving.supervision.orders import Kill, Order, Send, Spawn

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
STABLE_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 3.0
START_SECONDS: Final = 60.0


class Phase(StrEnum):
    """The state of a worker's process."""

    RESTING = "resting"
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(slots=True)
class Member:
    """What the supervisor knows of one worker. Times are seconds of one monotonic clock.

    `due` is when its time is up, or when it starts. `last_load` is the last snapshot it was sent, `ready` the revision
    that it has loaded, `failed` why it could not, `revision` the one by which it is to decide. `loading` holds the
    snapshots that it has not answered for yet, in the order in which it will. `ending` means that it is being killed.
    """

    number: int
    due: float
    phase: Phase = Phase.RESTING
    since: float = 0.0
    addresses: tuple[str, ...] = ()
    last_load: Load | None = None
    loading: list[Load] = field(default_factory=list)
    ready: str = ""
    failed: str | None = None
    revision: str = ""
    failures: int = 0
    failed_starts: int = 0
    reason: str = ""
    ending: bool = False

    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.phase in {Phase.STARTING, Phase.SERVING, Phase.DRAINING}

    def takes_part(self) -> bool:
        """Whether it answers requests, or is about to: then it must swap when the others do."""
        return self.is_running() and self.revision != "" and not self.ending

    def start(self, snapshot: Load, now: float) -> list[Order]:
        """Note that a process starts and loads that snapshot, and return the orders for it."""
        self.phase, self.since, self.due = Phase.STARTING, now, now + START_SECONDS
        self._reset()
        self.reason = ""
        return [Spawn(self.number), self.load(snapshot)]

    def load(self, snapshot: Load) -> Send:
        """Note that it is sent a snapshot to load, and return the order to send it."""
        self.last_load, self.ready, self.failed = snapshot, "", None
        self.loading.append(snapshot)
        return Send(self.number, snapshot)

    def finished_loading(self, revision: str) -> bool:
        """Note that it has loaded a snapshot or failed to; return whether that is the last one it was sent."""
        revisions = [snapshot.revision for snapshot in self.loading]
        if revision not in revisions:
            return False
        del self.loading[: revisions.index(revision) + 1]
        return not self.loading

    def serve(self, addresses: tuple[str, ...], now: float) -> None:
        """Note that it listens. If it got the order to drain meanwhile, it stays in that phase."""
        self.addresses, self.failed_starts = addresses, 0
        if self.phase is Phase.STARTING:
            self.phase, self.since = Phase.SERVING, now
            self.heartbeat(now)

    def heartbeat(self, now: float) -> None:
        """Note a heartbeat. It does not extend the deadline of a drain."""
        if self.phase is Phase.SERVING:
            self.due = now + SILENT_SECONDS

    def drain(self, now: float, seconds: float) -> None:
        """Note that it drains, and has that many seconds for it."""
        self.phase, self.since, self.due = Phase.DRAINING, now, now + seconds

    def end(self, how: str, now: float) -> float:
        """Note that the process has ended; return how many seconds to wait before the next one starts."""
        self.reason = self.reason or how
        pause = 0.0
        if self.phase is not Phase.DRAINING:
            served = self.phase is Phase.SERVING and now - self.since >= STABLE_SECONDS
            self.failures = 1 if served else self.failures + 1
            self.failed_starts += self.phase is Phase.STARTING
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - 1, 10))
        self.phase, self.since, self.due = Phase.RESTING, now, now + pause
        self._reset()
        return pause

    def kill(self, reason: str) -> Kill:
        """Note that its process is being killed, and why; return the order to do so."""
        self.ending, self.reason = True, reason
        return Kill(self.number)

    def leave(self) -> None:
        """Note that no other process will start."""
        self.phase = Phase.GONE

    def _reset(self) -> None:
        """Reset what belonged to the previous process."""
        self.addresses, self.last_load, self.ready, self.failed, self.revision = (), None, "", None, ""
        self.loading.clear()
        self.ending = False
