"""A bounded memory: what was proven stays known for a while, and what was not asked for lately is forgotten."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Memory"]

V = TypeVar("V")


class Memory(Generic[V]):
    """Values by digest, at most `capacity` of them.

    Two generations of half the capacity each: what was not asked for while one filled is forgotten. Every step is one
    dictionary operation, so threads need no lock.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> V | None:
        """Return a value that is still known."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Remember a value, and forget the older half when the younger is full."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value
