"""Runs `authz serve` as a process in a temporary folder, and ends it with the test."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LogEvent = dict[str, Any]  # Any: JSON of the service's log
COMMAND: Final = (sys.executable, "-m", "authz", "serve")
SECONDS: Final = 30.0
"""Longer than any step takes, so that a hang becomes a failure."""


@dataclass(frozen=True, slots=True)
class Service:
    """One running service and its log file."""

    process: subprocess.Popen[bytes]
    file: Path

    def log(self) -> str:
        """Return its log so far."""
        return self.file.read_text()

    def events(self, event: str | None = None, **fields: object) -> list[LogEvent]:
        """Return its log events of that name with those fields; without a name, all events."""
        return matching(read_events(self.log()), event, **fields)

    def addresses(self) -> list[str]:
        """Return the addresses on which it listens, in the order of its flags."""
        return [line["address"] for line in self.events("worker_listening")]

    def admin_port(self) -> int:
        """Return its admin port."""
        (line,) = self.events("admin_listening")
        return int(line["address"].rpartition(":")[2])

    def worker(self, number: int) -> int:
        """Return the process id of worker `number`."""
        return int(self.events("worker_started", worker=number)[-1]["pid"])

    def wait_for(self, event: str, times: int = 1, **fields: object) -> LogEvent:
        """Wait until the log has such an event that often, and return the last; else fail with the log."""
        deadline = time.monotonic() + SECONDS
        while len(found := self.events(event, **fields)) < times:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {event} with {fields}:\n{self.log()}"
            time.sleep(0.01)
        return found[-1]

    def ended(self) -> int:
        """Wait until it ends and return its exit code."""
        return self.process.wait(SECONDS)


@contextmanager
def running(
    folder: Path,
    *flags: str,
    variables: Mapping[str, str] | None = None,
    listeners: int = 1,
    command: Sequence[str] = COMMAND,
) -> Iterator[Service]:
    """Start a service in a folder, wait until it listens, and end it."""
    file = folder / "log"
    with file.open("wb") as log:
        process = subprocess.Popen(
            [*command, *flags], cwd=folder, env=_environment(variables), stdout=log, stderr=subprocess.STDOUT
        )
    service = Service(process, file)
    try:
        if listeners:
            service.wait_for("worker_listening", listeners)
        yield service
    finally:
        process.kill()
        process.wait()


def refused(
    folder: Path, *flags: str, variables: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND
) -> tuple[int, str]:
    """Return exit code and standard error of a service that does not start; its standard output is empty."""
    done = subprocess.run(
        [*command, *flags],
        cwd=folder,
        env=_environment(variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def read_events(log: str) -> list[LogEvent]:
    """Return the events in a log, without decisions and incomplete lines."""
    lines = (line for line in log.splitlines() if line.startswith("{") and line.endswith("}"))
    return [line for line in map(json.loads, lines) if line.get("event", "decision") != "decision"]


def matching(events: Iterable[LogEvent], event: str | None, **fields: object) -> list[LogEvent]:
    """Return the events of that name with those fields."""
    named = (line for line in events if event in (None, line["event"]))
    return [line for line in named if all(line.get(name) == value for name, value in fields.items())]


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    return {**inherited, "AUTHZ_ADMIN": "127.0.0.1:0", **(variables or {})}
