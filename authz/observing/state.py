"""The state of the service, as its admin port shows it: counts, workers, and the policy in force."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

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


class State:
    """Written by the supervisor alone, read by the threads of the admin port: each value is swapped in one step.

    `workers` says how many there are, `is_ready` whether one serves a policy and will go on to; any thread may call
    them, and they answer at once.
    """

    def __init__(self, workers: Callable[[], WorkerCounts], is_ready: Callable[[], bool], policy: PolicyState) -> None:
        self.workers = workers
        self.is_ready = is_ready
        self._totals: dict[int, Totals] = {}
        self._ended = Totals()
        self._counting = threading.Lock()
        self._policy = policy
        self._tls_expiry: float | None = None

    # ---- what the supervisor reports

    def counted(self, worker: int, totals: Totals) -> None:
        """Note what a worker has counted so far."""
        with self._counting:
            self._totals[worker] = totals

    def ended(self, worker: int) -> None:
        """Keep the counts of a process that has ended. The lock keeps readers from seeing a counter go down."""
        with self._counting:
            self._ended += self._totals.pop(worker, Totals()).retired()

    def reloaded(self, revision: str, trusted: Trusted) -> None:
        """Note that another policy is in force."""
        self._policy = replace(
            self._policy,
            revision=revision,
            loaded_at=time.time(),
            reloads=self._policy.reloads + 1,
            last_failure=None,
            trusted=trusted,
        )

    def refused(self, problems: tuple[Problem, ...]) -> None:
        """Note that the files could not be loaded."""
        failures = self._policy.reload_failures + 1
        self._policy = replace(self._policy, reload_failures=failures, last_failure=FailedReload(time.time(), problems))

    def corrected(self) -> None:
        """Note that the files hold again what is in force."""
        self._policy = replace(self._policy, last_failure=None)

    def watched(self, watched: bool) -> None:
        """Note whether a change of the files would be seen."""
        self._policy = replace(self._policy, watched=watched)

    def tls_shown(self, expiry: float) -> None:
        """Note when the certificate expires that TLS listeners show (seconds since the epoch)."""
        self._tls_expiry = expiry

    # ---- what the admin port asks

    def totals(self) -> Totals:
        """Return the sum over all workers, those that have ended included."""
        with self._counting:
            return sum(self._totals.values(), self._ended)

    def policy(self) -> PolicyState:
        """Return the policy in force."""
        return self._policy

    def tls_expiry(self) -> float | None:
        """Return when the certificate of TLS listeners expires; None without TLS."""
        return self._tls_expiry
