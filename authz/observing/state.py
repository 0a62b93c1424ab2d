"""The state that an operator may ask for: what the supervisor knows of its workers and of the policy in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from authz.documents.findings import Problem
from authz.observing.totals import Totals
from authz.tokens.keys.inventory import Trusted

_NOTHING: Final = Trusted()


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """How many workers answer, how many there should be, and how many were replaced since the start."""

    running: int
    wanted: int
    restarts: int


@dataclass(frozen=True, slots=True)
class FailedReload:
    """Why a changed policy is not in force, and since when (seconds since the epoch)."""

    at: float
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The policy in force: when it was loaded (seconds since the epoch), and what it trusts.

    `reloads` and `reload_failures` count from the start on; `last_failure` is there until a reload succeeds.
    `watched` says whether a change of the files would be seen.
    """

    revision: str
    loaded_at: float
    reloads: int = 0
    reload_failures: int = 0
    last_failure: FailedReload | None = None
    trusted: Trusted = _NOTHING
    watched: bool = True


class AdminState(Protocol):
    """What the admin port shows; it is asked from threads of that port, and answers at once."""

    def totals(self) -> Totals:
        """Return the sum over all workers, those that are gone included."""

    def workers(self) -> WorkerCounts:
        """Return how the workers are."""

    def policy(self) -> PolicyState:
        """Return the policy in force."""

    def is_ready(self) -> bool:
        """Whether at least one worker serves a policy."""
