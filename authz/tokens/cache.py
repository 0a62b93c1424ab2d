"""A bounded cache: entries that were not asked for lately are dropped."""

from dataclasses import astuple, dataclass
from operator import add
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How a cache was used: hits, misses, entries dropped to make room, and entries that it has now."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    entries: int = 0

    def __add__(self, other: "CacheUse") -> "CacheUse":
        return CacheUse(*map(add, astuple(self), astuple(other)))


class Cache(Generic[V]):
    """Values by digest, at most `capacity` of them.

    It has two generations of half the capacity each. When the young one is full, the old one is dropped, and with it
    what was not asked for meanwhile. Every step is one dictionary operation, so threads need no lock; only a count may
    then be lost.
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
        """Return the value, or None if it is not there."""
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
        """Add a value, and drop the old generation when the young one is full."""
        self._old.pop(key, None)
        if len(self._young) >= self._half:
            self._evictions += len(self._old)
            self._old, self._young = self._young, {}
        self._young[key] = value

    def use(self) -> CacheUse:
        """Return how the cache was used so far."""
        return CacheUse(self._hits, self._misses, self._evictions, len(self))
