"""Observers: what a worker tells its answers to, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.deciding.judge import Judge
from authz.deciding.observation import Observation
from authz.observing.counts import Counts
from authz.observing.decision_log import DecisionLog
from authz.observing.line_writer import LineWriter
from authz.observing.totals import Totals

if TYPE_CHECKING:
    from authz.observing.traces import Traces  # loads OpenTelemetry, which most services do without


class Observers:
    """Counts and logs each answer, and traces it where there is a collector.

    `lines` is the worker's writer of lines, started and closed by the worker; so is `traces` (see `traced`).
    """

    def __init__(self, worker: int, allow_sample: float, lines: LineWriter, traces: Traces | None = None) -> None:
        self._tally = Counts()
        self._lines = lines
        self._count = self._tally.observe
        self._write = DecisionLog(lines.put, allow_sample, worker).observe
        self._traces = traces

    def __call__(self, observation: Observation) -> None:
        """Tell all of them of an answer."""
        self._count(observation)
        self._write(observation)
        if self._traces is not None:
            self._traces.observe(observation)

    def overloaded(self) -> None:
        """Count a check that was refused for want of room."""
        self._tally.overloaded()

    def follow(self, judge: Judge) -> None:
        """Count the cache use of this judge from now on; call it before the judge decides."""
        self._tally.follow(judge.cache_use)

    def totals(self, in_flight: int) -> Totals:
        """Return what was counted so far."""
        spans = 0 if self._traces is None else self._traces.dropped()
        return self._tally.snapshot(in_flight, self._lines.dropped(), spans)


def traced(endpoint: str, worker: int, version: str) -> Traces:
    """Return what sends traces to a collector; only now its library is loaded, which takes time and memory."""
    from authz.observing.traces import Traces  # noqa: PLC0415  most services send none

    return Traces(endpoint, worker, version)
