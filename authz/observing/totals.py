"""What all workers have counted, as values that add up; workers that ended are included."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from authz.tokens.cache import CacheUse

K = TypeVar("K")

BOUNDS: Final = (
    *(0.000_05, 0.000_1, 0.000_25, 0.000_5),
    *(0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
"""Upper bounds of the buckets, in seconds; one more bucket counts what took longer."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How many answers fell into each bucket of BOUNDS and the one above, and the sum of their seconds."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total: float = 0.0

    def __add__(self, other: "Durations") -> "Durations":
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        return Durations(counts, self.total + other.total)


@dataclass(frozen=True, slots=True)
class LeafUse:
    """When a certificate last signed a token, and when it or one above it expires (seconds since the epoch)."""

    last: float
    ends: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts by their labels since a worker's start, and two gauges of the moment.

    `decisions` are by reason, backend service, unit primitives and tier; `token_errors` by error and issuer; keys and
    leaves by issuer and key id or thumbprint, with the time of their last use.
    """

    decisions: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    token_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    durations: Durations = Durations()
    caches: Mapping[str, CacheUse] = field(default_factory=dict)
    key_uses: Mapping[tuple[str, str], float] = field(default_factory=dict)
    leaves: Mapping[tuple[str, str], LeafUse] = field(default_factory=dict)
    seat_mismatches: Mapping[str, int] = field(default_factory=dict)
    unknown_seats: Mapping[str, int] = field(default_factory=dict)
    lines_dropped: Mapping[str, int] = field(default_factory=dict)
    spans_dropped: int = 0
    overloads: int = 0
    in_flight: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            decisions=_sum(self.decisions, other.decisions),
            token_errors=_sum(self.token_errors, other.token_errors),
            durations=self.durations + other.durations,
            caches={
                name: self.caches.get(name, CacheUse()) + other.caches.get(name, CacheUse())
                for name in {**self.caches, **other.caches}
            },
            key_uses={
                key: max(self.key_uses.get(key, 0.0), other.key_uses.get(key, 0.0))
                for key in {**self.key_uses, **other.key_uses}
            },
            leaves={
                key: max((each.leaves[key] for each in (self, other) if key in each.leaves), key=lambda use: use.last)
                for key in {**self.leaves, **other.leaves}
            },
            seat_mismatches=_sum(self.seat_mismatches, other.seat_mismatches),
            unknown_seats=_sum(self.unknown_seats, other.unknown_seats),
            lines_dropped=_sum(self.lines_dropped, other.lines_dropped),
            spans_dropped=self.spans_dropped + other.spans_dropped,
            overloads=self.overloads + other.overloads,
            in_flight=self.in_flight + other.in_flight,
        )

    def retired(self) -> "Totals":
        """Return what remains of a worker that ended: its counts, without what it held."""
        caches = {name: replace(use, entries=0) for name, use in self.caches.items()}
        return replace(self, caches=caches, in_flight=0)


class WorkerTotals:
    """The newest totals of each worker; the counts of workers that ended stay in the sum."""

    def __init__(self) -> None:
        self._current: dict[object, Totals] = {}
        self._retired = Totals()

    def record(self, worker: object, totals: Totals) -> None:
        """Replace the totals of a worker by newer ones."""
        self._current[worker] = totals

    def retire(self, worker: object) -> None:
        """Keep the counts of a worker that ended."""
        self._retired += self._current.pop(worker, Totals()).retired()

    def total(self) -> Totals:
        """Return the sum of all."""
        return sum(tuple(self._current.values()), self._retired)


def _sum(mine: Mapping[K, int], theirs: Mapping[K, int]) -> Mapping[K, int]:
    return {key: mine.get(key, 0) + theirs.get(key, 0) for key in {**mine, **theirs}}
