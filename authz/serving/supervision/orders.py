"""Orders: what the crew's bookkeeping wants done in the world."""

from __future__ import annotations

from dataclasses import dataclass

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
class Note:
    """Tell the operators; `level` is a level of the log."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class InForce:
    """A snapshot is in force everywhere; before it was another."""

    before: Load
    after: Load
    workers: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """A sound snapshot cannot come into force for now; the text says why, and what follows."""

    snapshot: Load
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """There is nothing left to do; `failure` says why that is no good end."""

    failure: str | None


Order = Spawn | Send | Kill | Note | InForce | Abandon | End
