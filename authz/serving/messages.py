"""The messages between supervisor and worker, and the times that both count on, in seconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.observing.totals import Totals
from authz.server.tls import Credentials

HEARTBEAT_SECONDS: Final = 0.5
"""Between two heartbeats."""

FINISH_SECONDS: Final = 10.0
"""For requests in flight, after the pause of a drain."""

ORPHAN_SECONDS: Final = 1.0
"""For requests in flight, once the supervisor is gone."""

TRACE_SECONDS: Final = 1.0
"""For spans that are not sent yet, at the end."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read the policy's data from that file, and keep it ready. Orders stay small: a hung worker must not block."""

    file: Path
    revision: str


@dataclass(frozen=True, slots=True)
class Swap:
    """Decide by that revision from now on; the first swap also starts the server."""

    revision: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Show these credentials to new connections from now on."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Drain:
    """Report NOT_SERVING, serve on for the pause of a drain, finish requests in flight, and end."""


ToWorker = Load | Swap | Renew | Drain


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker has loaded that revision."""

    revision: str


@dataclass(frozen=True, slots=True)
class Swapped:
    """From here on the worker decides by that revision."""

    revision: str


@dataclass(frozen=True, slots=True)
class Listening:
    """The worker serves at these addresses; port 0 has become a port."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The loop that answers requests is running; the worker has counted this since its start."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class Draining:
    """The worker drains: it answers NOT_SERVING to health checks."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker could not load `revision`, or, without one, could not start; the text says why."""

    text: str
    revision: str | None = None


FromWorker = Loaded | Swapped | Listening | Heartbeat | Draining | Failed
