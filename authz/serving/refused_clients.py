"""Tells of clients that TLS does not admit, in few and short lines however often they ask."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from authz.observing import events
from authz.observing.events import Event
from authz.server.tls import San

QUIET_SECONDS: Final = 10.0
MAX_NAMES: Final = 4
MAX_LENGTH: Final = 128


class RefusedClients:
    """Makes an event of a refusal, at most one in ten seconds; it counts those since the one before."""

    def __init__(self, worker: int, clock: Callable[[], float]) -> None:
        self._worker = worker
        self._clock = clock
        self._due = 0.0
        self._count = 0

    def refused(self, names: Iterable[San]) -> Event | None:
        """Return the event to log, or None while the last one is fresh."""
        self._count += 1
        now = self._clock()
        if now < self._due:
            return None
        count, self._count, self._due = self._count, 0, now + QUIET_SECONDS
        shown = tuple(name.text[:MAX_LENGTH] for name in islice(names, MAX_NAMES))
        return events.client_refused(self._worker, shown, count)
