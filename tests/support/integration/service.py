"""Runs `authz serve` as a process in a temporary folder, and ends it with the test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-m", "authz", "serve")
SECONDS: Final = 30.0
"""Longer than any step takes, so that a hang becomes a failure."""


@dataclass(frozen=True, slots=True)
class Service:
    """One running service and its log file."""

    process: subprocess.Popen[bytes]
    file: Path

    def log(self) -> str:
        """Return its log so far, each JSON line as level and event."""
        return "".join(map(_event, self.file.read_text().splitlines(keepends=True)))

    def addresses(self) -> list[str]:
        """Return the addresses on which it listens, in the order of its flags."""
        return re.findall(r"INFO listening on (\S+)\n", self.log())

    def worker(self, number: int) -> int:
        """Return the process id of worker `number`."""
        return int(re.findall(rf"INFO worker {number} is process (\d+)\n", self.log())[-1])

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the log has a text that often; else fail with the log."""
        deadline = time.monotonic() + SECONDS
        while self.log().count(text) < times:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.log()}"
            time.sleep(0.01)

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
        service.wait_for("INFO listening on ", listeners)
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


def _event(line: str) -> str:
    if not (line.startswith("{") and line.endswith("}\n")):
        return line
    members = json.loads(line)
    return f"{members['level'].upper()} {members['event']}\n" if "event" in members else line


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    return {**inherited, "AUTHZ_ADMIN": "127.0.0.1:0", **(variables or {})}
