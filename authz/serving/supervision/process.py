"""A worker's process as the supervisor holds it: a pipe to talk through, and a way to end it."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Final

from authz.serving.messages import FromWorker, ToWorker
from authz.serving.settings import ServeSettings
from authz.serving.supervision.frames import Frames

SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""What a worker must not meet before it knows what to do about it."""

# Spawned, not forked: a child that shares locks and threads with its parent is no clean start, and gRPC's least of all.
_SPAWN: Final = multiprocessing.get_context("spawn")


class WorkerProcess:
    """One process that runs one worker."""

    def __init__(self, process: SpawnProcess, connection: Connection) -> None:
        self._process = process
        self.connection = connection
        self._frames = Frames(connection)
        self.is_talking = True
        self.sentinel = process.sentinel
        self.pid = process.pid or 0

    @classmethod
    def start(cls, number: int, settings: ServeSettings) -> WorkerProcess:
        """Start a process for the worker of that number. Raises OSError."""
        resource_tracker.ensure_running()  # it would lift the mask below, were it started by the first child
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(number, settings, theirs), name=f"authz-{number}", daemon=True)
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            with _without_main_module():
                process.start()
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
            theirs.close()
        return cls(process, ours)

    def tell(self, message: ToWorker) -> None:
        """Say something; a process that is gone does not hear it."""
        with suppress(OSError):
            self.connection.send(message)

    def heard(self) -> Iterator[FromWorker]:
        """Yield what it has said meanwhile, but nothing that it has not said to the end."""
        if not self.is_talking:
            return
        try:
            yield from self._frames.take()
        except (EOFError, OSError):  # it is about to end; waiting for more would return at once, again and again
            self.is_talking = False

    def kill(self) -> None:
        """End it at once, stopped or not."""
        self._process.kill()

    def bury(self) -> str:
        """Take leave of a process that has ended, and say how it did."""
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        self.connection.close()
        return f"killed by {_named(-code)}" if code < 0 else f"exit code {code}"


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Spawned processes import the main module of their parent: here the command line, with all that it loads."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _work(number: int, settings: ServeSettings, connection: Connection) -> None:
    """Become a worker. Only here, and so only in the new process, is gRPC imported."""
    from authz.serving.worker import work  # noqa: PLC0415

    work(number, settings, connection)
