"""The service's log: lines of JSON, none of them with a token or the text of an exception."""

import json
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

from authz.documents.findings import Problem
from authz.observing.events import Event, Level

LOG_LEVELS: Final[tuple[str, ...]] = get_args(Level)
STDERR: Final = 2


class EventLog:
    """Writes events of at least a level through `put` (`LineWriter.put`), which must not wait."""

    def __init__(self, level: str, put: Callable[[Callable[[], str]], None]) -> None:
        self._least = LOG_LEVELS.index(level)
        self._put = put

    def write(self, event: Event) -> None:
        """Log an event, with the time of now. Returns at once and raises nothing."""
        if LOG_LEVELS.index(event.level) >= self._least:
            moment = time.time()
            self._put(lambda: event_line(event, moment))


def event_line(event: Event, moment: float) -> str:
    """Return an event as a line: `time`, `level`, `event`, and its fields except those that are None."""
    fields = {name: value for name, value in event.fields.items() if value is not None}
    return to_json({"time": timestamp(moment), "level": event.level, "event": event.name, **fields})


def fault(error: Exception) -> str:
    """Return the kind and place of a bug. The error's own text may hold a client's bytes, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def to_json(members: Mapping[str, object]) -> str:
    """Return one line of JSON, in ASCII: whatever could end a line or move a terminal's cursor is escaped."""
    return _ENCODER.encode(dict(members))


def to_plain(value: object) -> Any:  # Any: as json has it
    """Return what JSON shows for a value that it does not know: of most, no more than the type."""
    match value:
        case Problem():
            return {"file": str(value.file), "line": value.line, "message": value.message}
        case Path():
            return str(value)
        case _:
            return type(value).__name__


def timestamp(moment: float) -> str:
    """Return seconds since the epoch as RFC 3339 has them, in UTC; empty for a moment beyond its years."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC).isoformat(timespec='microseconds')[:-6]}Z"
    except (ValueError, OverflowError, OSError):
        return ""


_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), check_circular=False, default=to_plain)
