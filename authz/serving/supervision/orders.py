"""Orders: what the crew's bookkeeping wants done in the world."""

from __future__ import annotations

from dataclasses import dataclass

from authz.observing.events import Event
from authz.serving.messages import Load, ToWorker


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process for that worker."""

    number: int


@dataclass(frozen=True, slots=True)
class Send:
    """Tell that worker's process something."""

    number: int
    message: ToWorker


@dataclass(frozen=True, slots=True)
class Kill:
    """End that worker's process at once."""

    number: int


@dataclass(frozen=True, slots=True)
class InForce:
    """A snapshot is in force everywhere; before it was another."""

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
