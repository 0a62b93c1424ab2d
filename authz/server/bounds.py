"""How much a server takes on before it says that it cannot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many checks may be open at once, and how many seconds one may have waited when its turn comes."""

    max_in_flight: int
    max_age: float
