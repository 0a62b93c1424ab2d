"""Writes log lines from a thread of its own, so that nothing that logs waits for a disk, a pipe or a terminal."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from authz.observing import events
from authz.observing.json_log import event_line

CAPACITY: Final = 8_192
MAX_LINE: Final = select.PIPE_BUF
"""A write of at most this size is atomic (POSIX), so workers that share a pipe do not mix their lines."""
PAUSE: Final = 0.05
CLOSING_SECONDS: Final = 1.0
LAST_SECONDS: Final = 0.2


class LineWriter:
    """Writes lines to a file descriptor from a thread of its own, in batches.

    At most `capacity` lines wait; those beyond it, and those that cannot be written, are dropped and counted. So are
    those that still wait when it closes; a last line says how many, if it can be written.
    """

    def __init__(self, descriptor: int, capacity: int = CAPACITY) -> None:
        self._descriptor = descriptor
        self._capacity = capacity
        self._waiting: deque[Callable[[], str]] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._overflowed = 0
        self._unwritable = 0
        self._left = 0
        self._torn = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def __enter__(self) -> "LineWriter":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close(CLOSING_SECONDS)

    def put(self, render: Callable[[], str]) -> None:
        """Have a line written; the writer calls `render` for its text. Returns at once, raises nothing."""
        if len(self._waiting) < self._capacity:
            self._waiting.append(render)
        else:
            self._overflowed += 1

    def dropped(self) -> dict[str, int]:
        """Return how many lines were lost, by cause."""
        return {"overflow": self._overflowed, "unwritable": self._unwritable + self._left}

    def close(self, seconds: float) -> None:
        """Write what waits, for at most about that long, and stop."""
        self._closing.set()
        self._thread.join(seconds)
        self._capacity = 0
        while self._next() is not None:
            self._left += 1
        if self._left:
            # By the same thread, which may still be in the middle of a write.
            self._waiting.append(self._lost)
            self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        while not self._closing.wait(PAUSE):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        batch = b""
        while (render := self._next()) is not None:
            line = self._rendered(render)
            if len(batch) + len(line) > MAX_LINE:
                self._write(batch)
                batch = b""
            batch += line
        self._write(batch)

    def _next(self) -> Callable[[], str] | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _lost(self) -> str:
        return event_line(events.log_lines_lost(self._left), time.time())

    def _rendered(self, render: Callable[[], str]) -> bytes:
        try:
            return render().encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001  a line that cannot be rendered must not keep others out
            self._unwritable += 1
            return b""

    def _write(self, batch: bytes) -> None:
        """Write whole lines. If the last one was cut off, begin on a new line."""
        rest = b"\n" + batch if self._torn and batch else batch
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:
                if not self._closing.wait(PAUSE):
                    continue
                written = 0
            except OSError:
                written = 0
            if not written:
                self._unwritable += batch.count(b"\n", max(0, len(batch) - len(rest)))
                return
            self._torn = not rest[:written].endswith(b"\n")
            rest = rest[written:]
