"""The state of a service, as its admin port shows it: what workers have counted, who runs, which policy is in force."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from authz.documents.findings import Problem
from authz.observing.state import FailedReload, PolicyState, WorkerCounts
from authz.observing.totals import Totals, WorkerTotals
from authz.serving.reload.snapshot import Snapshot
from authz.serving.supervision.crew import Crew


class State:
    """Written by the supervisor alone, read by the threads of the admin port: each value is swapped in one step."""

    def __init__(self, crew: Crew, snapshot: Snapshot) -> None:
        self._ledger = WorkerTotals()
        self._counting = threading.Lock()
        self._crew = crew
        self._policy = _loaded(snapshot)

    # ---- what the supervisor tells

    def counted(self, worker: int, totals: Totals) -> None:
        """Note what a worker has counted so far."""
        with self._counting:
            self._ledger.record(worker, totals)

    def gone(self, worker: int) -> None:
        """Keep the counts of a process that is gone; nobody may look while they move, or a counter would go down."""
        with self._counting:
            self._ledger.retire(worker)

    def reloaded(self, snapshot: Snapshot) -> None:
        """Note that another policy is in force."""
        before, after = self._policy, _loaded(snapshot)
        kept = replace(after, reload_failures=before.reload_failures, watched=before.watched)
        self._policy = replace(kept, reloads=before.reloads + 1)

    def refused(self, problems: tuple[Problem, ...]) -> None:
        """Note that what is in the folders could not be loaded."""
        failures = self._policy.reload_failures + 1
        self._policy = replace(self._policy, reload_failures=failures, last_failure=FailedReload(time.time(), problems))

    def mended(self) -> None:
        """Note that the folders hold again what is in force."""
        self._policy = replace(self._policy, last_failure=None)

    def watched(self, watched: bool) -> None:
        """Note whether a change of the folders would be seen."""
        self._policy = replace(self._policy, watched=watched)

    # ---- what the admin port asks

    def totals(self) -> Totals:
        """Return the sum over all workers, those that are gone included."""
        with self._counting:
            return self._ledger.total()

    def workers(self) -> WorkerCounts:
        """Return how the workers are."""
        crew = self._crew
        return WorkerCounts(crew.serving(), len(crew.members), crew.restarts)

    def policy(self) -> PolicyState:
        """Return the policy in force."""
        return self._policy

    def is_ready(self) -> bool:
        """Whether at least one worker serves a policy, and will go on to."""
        return self._crew.serving() > 0 and not self._crew.is_leaving()


def _loaded(snapshot: Snapshot) -> PolicyState:
    return PolicyState(snapshot.revision, time.time(), trusted=snapshot.trusted)
