"""What operators see: JSON lines on standard error, none of them with a token or the text of an exception."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
STDERR: Final = 2


def start_logging(level: str, put: Callable[[Callable[[], str]], None] | None = None) -> logging.Logger:
    """Return the service's logger: each line an object of `time`, `level`, `event` and whatever `extra` holds.

    `put` takes each line (`LineWriter.put`, which never blocks); without it they go to standard error at once.
    """
    handler = _Handler(put or to_stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder(), _stamped],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _ordered, _RENDERER],
        )
    )
    logger = logging.getLogger("authz")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    return logger


def fault(error: Exception) -> str:
    """Say what kind of bug struck and where. The error's own text may hold a client's bytes, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def to_json(members: Mapping[str, object]) -> str:
    """Return one line of JSON, in ASCII: whatever could end a line or move a terminal's cursor is escaped."""
    return str(_RENDERER(None, "", dict(members)))


def to_stderr(render: Callable[[], str]) -> None:
    """Write a line to standard error; that nobody takes it is no reason to stop."""
    try:
        os.write(STDERR, render().encode() + b"\n")
    except OSError:
        return


def timestamp(moment: float) -> str:
    """Return seconds since the epoch as RFC 3339 has them, in UTC; empty for a moment beyond its years."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC).isoformat(timespec='microseconds')[:-6]}Z"
    except (ValueError, OverflowError, OSError):
        return ""


class _Handler(logging.Handler):
    def __init__(self, put: Callable[[Callable[[], str]], None]) -> None:
        super().__init__()
        self._put = put

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  a line that cannot be told is no reason to refuse a request
            line = to_json({"level": "error", "event": "a line could not be told"})
        self._put(lambda: line)


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=True, separators=(",", ":"), check_circular=False, default=lambda value: type(value).__name__
)
_RENDERER: Final = structlog.processors.JSONRenderer(serializer=lambda members, **_: _ENCODER.encode(members))


def _stamped(_logger: object, _method: str, members: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {**members, "time": timestamp(members["_record"].created)}


def _ordered(_logger: object, _method: str, members: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put what every line has first; a traceback ends with the text of its exception, so there is none."""
    members.pop("exc_info", None)
    first: dict[str, Any] = {
        name: members.pop(name) for name in ("time", "level", "event")
    }  # Any: as structlog types it
    return {**first, **members}
