"""The messages between supervisor and worker, and the times that both count on, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.observing.totals import Totals


BEAT_SECONDS: Final = 0.5
"""Between two heartbeats."""

FINISH_SECONDS: Final = 10.0
"""For requests in flight, after the pause of a drain."""

ORPHAN_SECONDS: Final = 1.0
"""For requests in flight, once the supervisor is gone."""

TRACE_SECONDS: Final = 1.0
"""For spans that wait to be sent, at the end."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read the policy's data from that file, and keep it ready. Orders stay small: a hung worker must not block."""

    file: Path
    revision: str


@dataclass(frozen=True, slots=True)
class Swap:
    """Decide by the policy of that revision from now on; the first one also says: listen."""

    revision: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Say NOT_SERVING, serve for a while yet, finish what is in flight, and end."""


ToWorker = Load | Swap | Drain


@dataclass(frozen=True, slots=True)
class Loaded:
    """The snapshot of that revision is ready."""

    revision: str


@dataclass(frozen=True, slots=True)
class Swapped:
    """Every answer from here on is of that revision."""

    revision: str


@dataclass(frozen=True, slots=True)
class Listening:
    """Serving, at these addresses; port 0 has become a port."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """The loop that answers requests has moved."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted since the start."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class Draining:
    """On its way out: it answers NOT_SERVING to health checks."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot do what it was told; the text says why, `revision` which snapshot it cannot load, if that is it."""

    text: str
    revision: str | None = None


FromWorker = Loaded | Swapped | Listening | Beat | Counted | Draining | Failed
