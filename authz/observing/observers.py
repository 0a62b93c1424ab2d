"""All observers of a worker's answers in one: counts, decision log and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.deciding.judge import Judge
from authz.deciding.observation import Observation
from authz.observing.counts import Counts
from authz.observing.decision_log import DecisionLog, HeaderValues
from authz.observing.line_writer import LineWriter
from authz.observing.totals import Totals

if TYPE_CHECKING:
    from authz.observing.traces import Traces  # loads OpenTelemetry, which most services do without


class Observers:
    """Counts and logs each answer, and traces it where there is a collector.

    The worker starts and closes `lines` and `traces`.
    """

    def __init__(
        self,
        worker: int,
        allow_sample: float,
        header_values: HeaderValues,
        lines: LineWriter,
        traces: Traces | None = None,
    ) -> None:
        self._counts = Counts()
        self._lines = lines
        self._count = self._counts.observe
        self._write = DecisionLog(lines.put, allow_sample, worker, header_values).observe
        self._traces = traces

    def __call__(self, observation: Observation) -> None:
        """Hand an answer to all observers."""
        self._count(observation)
        self._write(observation)
        if self._traces is not None:
            self._traces.observe(observation)

    def overloaded(self) -> None:
        """Count a check that was refused because too many were open."""
        self._counts.overloaded()

    def client_refused(self) -> None:
        """Count a call of a client whose certificate has no name that may ask."""
        self._counts.client_refused()

    def follow(self, judge: Judge) -> None:
        """Count the cache use of this judge from now on; call it before the judge decides."""
        self._counts.follow(judge.cache_use)

    def totals(self, in_flight: int) -> Totals:
        """Return what was counted so far."""
        spans = 0 if self._traces is None else self._traces.dropped()
        return self._counts.snapshot(in_flight, self._lines.dropped(), spans)


def traced(endpoint: str, worker: int, version: str) -> Traces:
    """Return what sends traces to a collector. Loads OpenTelemetry only now, since it takes time and memory."""
    from authz.observing.traces import Traces  # noqa: PLC0415  most services send none

    return Traces(endpoint, worker, version)
