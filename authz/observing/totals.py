"""What all workers have counted, as values that add up; workers that ended are included."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from authz.tokens.cache import CacheUse

K = TypeVar("K")
V = TypeVar("V")

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
    leaves by issuer and key id or thumbprint, with the time of their last use. `shadow_decisions` are by the reason of
    the answer, the reason of the rule that is tried, and the backend service.
    """

    decisions: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    token_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    durations: Durations = Durations()
    caches: Mapping[str, CacheUse] = field(default_factory=dict)
    key_uses: Mapping[tuple[str, str], float] = field(default_factory=dict)
    leaves: Mapping[tuple[str, str], LeafUse] = field(default_factory=dict)
    shadow_decisions: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    seat_mismatches: Mapping[str, int] = field(default_factory=dict)
    unknown_seats: Mapping[str, int] = field(default_factory=dict)
    lines_dropped: Mapping[str, int] = field(default_factory=dict)
    spans_dropped: int = 0
    overloads: int = 0
    clients_refused: int = 0
    in_flight: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            decisions=merged(self.decisions, other.decisions),
            token_errors=merged(self.token_errors, other.token_errors),
            durations=self.durations + other.durations,
            caches=merged(self.caches, other.caches),
            key_uses=merged(self.key_uses, other.key_uses, max),
            leaves=merged(self.leaves, other.leaves, _later),
            shadow_decisions=merged(self.shadow_decisions, other.shadow_decisions),
            seat_mismatches=merged(self.seat_mismatches, other.seat_mismatches),
            unknown_seats=merged(self.unknown_seats, other.unknown_seats),
            lines_dropped=merged(self.lines_dropped, other.lines_dropped),
            spans_dropped=self.spans_dropped + other.spans_dropped,
            overloads=self.overloads + other.overloads,
            clients_refused=self.clients_refused + other.clients_refused,
            in_flight=self.in_flight + other.in_flight,
        )

    def retired(self) -> "Totals":
        """Return what remains of a worker that ended: its counts, without what it held."""
        caches = {name: replace(use, entries=0) for name, use in self.caches.items()}
        return replace(self, caches=caches, in_flight=0)


def merged(mine: Mapping[K, V], theirs: Mapping[K, V], join: Callable[[V, V], V] = operator.add) -> Mapping[K, V]:
    """Return what both hold; `join` makes one value of two under the same key."""
    both = {key: join(mine[key], theirs[key]) for key in mine.keys() & theirs.keys()}
    return {**mine, **theirs, **both}


def _later(mine: LeafUse, theirs: LeafUse) -> LeafUse:
    return max(mine, theirs, key=lambda use: use.last)
