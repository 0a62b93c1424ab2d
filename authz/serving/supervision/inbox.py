"""The inbox: signals and items from other threads, in one place that the supervisor can wait for."""

import os
import queue
import signal
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_READ_BYTES: Final = 4_096
_A_THREAD: Final = b"\0"


class Inbox(Generic[T]):
    """A context manager that handles those signals; `fileno` is for `select` and its kind."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals = signals
        self._items: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._before: dict[signal.Signals, object] = {}
        self._reader = self._writer = self._former = -1

    def __enter__(self) -> "Inbox[T]":
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._former = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # The handler does nothing: Python has written the signal's number to the pipe by then.
        self._before = {number: signal.signal(number, lambda *_: None) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave, it takes back
        signal.set_wakeup_fd(self._former)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something has come."""
        return self._reader

    def post(self, item: T) -> None:
        """Add an item, from any thread."""
        self._items.put(item)
        with suppress(OSError):  # full: it is readable already; closed: the service has ended
            os.write(self._writer, _A_THREAD)

    def take(self) -> tuple[list[signal.Signals], list[T]]:
        """Return the signals and the items that have come, each in their order."""
        with suppress(BlockingIOError):
            read = os.read(self._reader, _READ_BYTES)
            signals = [signal.Signals(number) for number in read if number]
            items = []
            while not self._items.empty():
                items.append(self._items.get())
            return [number for number in signals if number in self._signals], items
        return [], []
