"""Orders: what the crew asks the supervisor to do."""

from dataclasses import dataclass

from authz.observing.events import Event
from authz.serving.messages import Load, ToWorker


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process for that worker."""

    number: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to that worker."""

    number: int
    message: ToWorker


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill that worker's process."""

    number: int


@dataclass(frozen=True, slots=True)
class InForce:
    """A snapshot is in force in every worker, in place of the one before."""

    before: Load
    after: Load
    workers: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """No worker could load a sound snapshot; it is offered again after `retry_s`, unless a newer one follows."""

    snapshot: Load
    cause: str
    retry_s: float | None


@dataclass(frozen=True, slots=True)
class End:
    """All workers are gone, and the service ends with that exit code."""

    code: int


Order = Spawn | Send | Kill | Event | InForce | Abandon | End
"""An event is to be logged."""
