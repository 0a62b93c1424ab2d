"""Starts child processes with log files, and ends all of them when this process ends, in whatever way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

GRACE_SECONDS = 5.0
ORPHAN_GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05
TAIL_BYTES = 64 * 1024


class ChildEndedError(Exception):
    """A child ended by itself; `child` names it and has its log."""

    def __init__(self, child: "Child") -> None:
        code = child.exit_code() or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"{child.name} {how}")
        self.child = child


class NotReadyError(Exception):
    """A condition was not met in time; the message names it."""


@dataclass(frozen=True, slots=True)
class Child:
    """One running program and its log file."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def exit_code(self) -> int | None:
        """Return None while it runs; a negative number is the signal that ended it."""
        return self.process.poll()

    def last_lines(self, count: int = 15) -> list[str]:
        """Return the last lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return log.read().decode("utf-8", "replace").splitlines()[-count:]


class ProcessGroup:
    """Starts programs and ends all of them together; a context manager.

    They share one process group, which is not the terminal's, so that Ctrl-C reaches only this process, which then
    stops them in order. A guard process leads the group and reads a pipe that only this process can write to: the pipe
    closes when this process ends, even by SIGKILL, and the guard then ends the group. A child joins the group before
    its program runs, and its own children belong to it, too. This works on every POSIX system.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ProcessGroup":
        self._logs.mkdir(parents=True, exist_ok=True)
        guard = (sys.executable, "-I", "-S", __file__)
        quiet = subprocess.DEVNULL
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, process_group=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a program; its output goes to a new `<name>.log`. Raises OSError if it cannot be executed."""
        if self._guard is None:
            raise RuntimeError("programs can be started only inside the with block")
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                process_group=self._guard.pid,
            )
        child = Child(name, log, process)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise ChildEndedError if a child has ended."""
        for child in self._children:
            if child.exit_code() is not None:
                raise ChildEndedError(child)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until `ready()`. Raises ChildEndedError if a child ends, NotReadyError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise NotReadyError(f"{what} was not ready within {seconds:g} seconds")
            time.sleep(POLL_SECONDS)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Send SIGTERM to each child, the last started first, and SIGKILL to those left after `grace` seconds."""
        for child in reversed(self._children):
            with suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + grace
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        if self._guard is not None and self._guard.stdin is not None:
            # The guard is reaped last, so its process id cannot belong to another group meanwhile.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.stdin.close()
            self._guard.wait()
        for child in self._children:
            child.process.wait()
        self._children.clear()
        self._guard = None


def guard_group() -> None:
    """Wait until the parent process ends, which closes standard input; then end the process group."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    guard_group()
