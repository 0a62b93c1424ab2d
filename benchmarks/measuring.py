"""Measures functions side by side.

Method: a batch of calls that is long enough to measure (10 ms), for each case in turn, and that 31 times, so that
anything that slows the machine down for a while slows every case down alike. The figure is the median of a case's
batches.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from timeit import Timer
from typing import Final

ROUNDS: Final = 31
BATCH_SECONDS: Final = 0.01
MICRO: Final = 1e6


@dataclass(frozen=True, slots=True)
class Case:
    """One function to measure, and its name in the table."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figure:
    """The time of one call, in microseconds."""

    name: str
    low: float
    median: float
    high: float


def measure(cases: Iterable[Case], rounds: int = ROUNDS) -> list[Figure]:
    """Measure every case once in each round, without garbage collection, which is rare in the server, too."""
    timers = [(case.name, Timer(case.run)) for case in cases]
    batches = [max(1, int(BATCH_SECONDS / _once(timer))) for _, timer in timers]
    samples: list[list[float]] = [[] for _ in timers]
    for _ in range(rounds):
        for (_, timer), calls, kept in zip(timers, batches, samples, strict=True):
            kept.append(timer.timeit(calls) / calls * MICRO)
    return [Figure(name, *statistics.quantiles(kept)) for (name, _), kept in zip(timers, samples, strict=True)]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as Markdown."""
    rows = [f"| {figure.name} | {figure.median:.2f} | {figure.low:.2f} to {figure.high:.2f} |" for figure in figures]
    return "\n".join(["| what | µs, median | quartiles |", "|---|---|---|", *rows])


def _once(timer: Timer) -> float:
    timer.timeit(10)
    return timer.timeit(100) / 100
