"""File handles: each connection takes one, so how many a process may have is how many clients it can serve."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

WANTED: Final = 65_536
COMFORTABLE: Final = 1_024
_PER_SERVICE: Final = 128
_PER_WORKER: Final = 8


class TooFewHandlesError(Exception):
    """The service cannot run with so few handles; the text says how many it needs."""


@dataclass(frozen=True, slots=True)
class Room:
    """The soft limit to set, and a warning where it is tight."""

    soft: int
    warning: str | None


def planned(soft: int, hard: int, workers: int) -> Room:
    """Return the room that can be had: as much as allowed, up to 65,536. Raises TooFewHandlesError."""
    most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    room = most if soft != resource.RLIM_INFINITY and soft < most else soft
    if room == resource.RLIM_INFINITY or room >= COMFORTABLE:
        return Room(room, None)
    needed = _PER_SERVICE + _PER_WORKER * workers
    if room < needed:
        raise TooFewHandlesError(f"{room} file handles are too few, {needed} are needed: raise the limit (ulimit -Hn)")
    return Room(room, f"{room} file handles are few: connections beyond them wait; {COMFORTABLE} or more would do")


def make_room(workers: int) -> str | None:
    """Raise this process's soft limit, which workers inherit; return a warning. Raises TooFewHandlesError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = planned(soft, hard, workers)
    if room.soft != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room.soft, hard))
    return room.warning
