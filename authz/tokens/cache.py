"""A bounded memory: what was proven stays known for a while, and what was not asked for lately is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How often a memory knew what it was asked for, or did not; what it forgot for want of room; what it holds."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    entries: int = 0

    def __add__(self, other: CacheUse) -> CacheUse:
        return CacheUse(
            self.hits + other.hits,
            self.misses + other.misses,
            self.evictions + other.evictions,
            self.entries + other.entries,
        )


class Cache(Generic[V]):
    """Values by digest, at most `capacity` of them.

    Two generations of half the capacity each: what was not asked for while one filled is forgotten. Every step is one
    dictionary operation, so threads need no lock; only the counts may then miss one.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> V | None:
        """Return a value that is still known."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is None:
                self._misses += 1
                return None
            self.put(key, value)
        self._hits += 1
        return value

    def put(self, key: bytes, value: V) -> None:
        """Remember a value, and forget the older half when the younger is full."""
        self._old.pop(key, None)
        if len(self._young) >= self._half:
            self._evictions += len(self._old)
            self._old, self._young = self._young, {}
        self._young[key] = value

    def use(self) -> CacheUse:
        """Say what came of it so far."""
        return CacheUse(self._hits, self._misses, self._evictions, len(self))
