"""A worker's process, as the supervisor sees it: a pipe for messages, and a way to end it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Final

from authz.server.tls import Credentials
from authz.serving.messages import FromWorker, ToWorker
from authz.serving.settings import ServeSettings
from authz.serving.supervision.frames import Frames

SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Blocked in a new process until it has handlers for them."""

# Spawned, not forked: a forked child inherits locks of its parent's threads, and gRPC does not support it.
_SPAWN: Final = multiprocessing.get_context("spawn")


class WorkerProcess:
    """One process that runs one worker."""

    def __init__(self, process: SpawnProcess, connection: Connection) -> None:
        self._process = process
        self.connection = connection
        self._frames = Frames(connection)
        self.is_open = True
        self.sentinel = process.sentinel
        self.pid = process.pid or 0

    @classmethod
    def start(cls, number: int, settings: ServeSettings, credentials: Credentials | None) -> "WorkerProcess":
        """Start a process for the worker of that number. Raises OSError."""
        resource_tracker.ensure_running()  # started with the first child, it would unblock the signals below
        ours, theirs = _SPAWN.Pipe()
        given = (number, settings, credentials, theirs)
        process = _SPAWN.Process(target=_work, args=given, name=f"authz-{number}", daemon=True)
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

    def send(self, message: ToWorker) -> None:
        """Send a message; if the process is gone, it is lost."""
        with suppress(OSError):
            self.connection.send(message)

    def received(self) -> Iterator[FromWorker]:
        """Yield the messages that have come as a whole."""
        if not self.is_open:
            return
        try:
            yield from self._frames.take()
        except (EOFError, OSError):  # it is about to end; waiting for the pipe would return at once, again and again
            self.is_open = False

    def kill(self) -> None:
        """Kill it, even if it is stopped (SIGSTOP)."""
        self._process.kill()

    def reap(self) -> str:
        """Release a process that has ended, and return how it did."""
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


def _work(number: int, settings: ServeSettings, credentials: Credentials | None, connection: Connection) -> None:
    """Run a worker. Only here, and so only in the new process, is gRPC imported."""
    # gRPC would write a line, no JSON, for each handshake that fails: as many as anyone in the network wants.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from authz.serving.worker import work  # noqa: PLC0415

    work(number, settings, credentials, connection)
