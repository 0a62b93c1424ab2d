"""File handles: each connection takes one, so how many a process may have is how many clients it can serve."""

import resource
from typing import Final

from authz.observing import events
from authz.observing.events import Event

WANTED: Final = 65_536
COMFORTABLE: Final = 1_024
_PER_SERVICE: Final = 128
_PER_WORKER: Final = 8


class TooFewHandlesError(Exception):
    """The service cannot run with so few handles; the text says how many it needs."""


def soft_limit(soft: int, hard: int, workers: int) -> int:
    """Return the soft limit to set: as much as allowed, up to 65,536. Raises TooFewHandlesError."""
    most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    limit = most if soft != resource.RLIM_INFINITY and soft < most else soft
    needed = _PER_SERVICE + _PER_WORKER * workers
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise TooFewHandlesError(f"{limit} file handles are too few, {needed} are needed: raise the limit (ulimit -Hn)")
    return limit


def raise_soft_limit(workers: int) -> Event | None:
    """Raise this process's soft limit, which workers inherit; return a warning if few. Raises TooFewHandlesError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = soft_limit(soft, hard, workers)
    if limit != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    is_few = limit != resource.RLIM_INFINITY and limit < COMFORTABLE
    return events.few_file_handles(limit, COMFORTABLE) if is_few else None
