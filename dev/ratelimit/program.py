"""Builds the rate limit service from its pinned source, once, and keeps it in the user's cache."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dev.process import POLL_SECONDS, Child, ProcessGroup
from dev.ratelimit import go_program
from dev.ratelimit.go_program import Go, MissingGoError

MODULE = "github.com/envoyproxy/ratelimit"
VERSION = "v1.4.1-0.20260122083618-3fb702589d36"
"""The only place that names the version; it ends with the commit, after which the service's images are named."""

SERVICE, CONFIG_CHECK = "service_cmd", "config_check_cmd"
BUILD_SECONDS = 1200.0
REPORT_SECONDS = 10.0


class BuildError(Exception):
    """The service could not be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The service, and the program that checks its files."""

    service: Path
    config_check: Path

    def exist(self) -> bool:
        """Whether both are built."""
        return self.service.is_file() and self.config_check.is_file()


def programs(say: Callable[[str], None]) -> Programs:
    """Return the programs; build them first if necessary, with a line every few seconds. Raises BuildError."""
    kept = _cache() / f"ratelimit-{VERSION}"
    found = _in(kept)
    if found.exist():
        return found
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=kept.parent, ignore_cleanup_errors=True) as draft:
            built = _build(Path(draft), say)
            shutil.rmtree(kept, ignore_errors=True)
            built.replace(kept)
    except MissingGoError as problem:
        raise BuildError(f"the rate limit service cannot be built: {problem}") from problem
    except OSError as problem:
        raise BuildError(f"the rate limit service cannot be kept in {kept.parent}: {problem}") from problem
    return found


def _cache() -> Path:
    """Return the user's cache (https://specifications.freedesktop.org/basedir-spec), which ignores relative paths."""
    asked = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (asked if asked.is_absolute() else Path.home() / ".cache") / "cloud-connector-authz"


def _in(folder: Path) -> Programs:
    return Programs(folder / SERVICE, folder / CONFIG_CHECK)


def _build(draft: Path, say: Callable[[str], None]) -> Path:
    go = go_program.installed()
    if go is None:
        say("Go is missing or too old here, so one is installed for this build only")
        go = go_program.from_wheel(draft)
    say(f"building {MODULE} {VERSION} with {go.version}, a minute or two, only this time")
    bin_folder = draft / "bin"
    with ProcessGroup(draft) as processes:
        _install(processes, go, bin_folder, say)
    if not _in(bin_folder).exist():
        raise BuildError(f"{go.program} install made no programs for this machine: unset GOOS and GOARCH")
    return bin_folder


def _install(processes: ProcessGroup, go: Go, into: Path, say: Callable[[str], None]) -> None:
    command = [
        str(go.program),
        "install",
        "-v",
        *(f"{MODULE}/src/{name}@{VERSION}" for name in (SERVICE, CONFIG_CHECK)),
    ]
    build = processes.start("go-install", command, {"CGO_ENABLED": "0", **go.environment, "GOBIN": str(into)})
    started = time.monotonic()
    reported = 0.0
    while (code := build.exit_code()) is None:
        passed = time.monotonic() - started
        if passed > BUILD_SECONDS:
            raise BuildError(f"go install did not end within {BUILD_SECONDS:g} seconds; {_progress(build)}")
        if passed - reported > REPORT_SECONDS:
            reported = passed
            say(f"{passed:.0f} s, {_progress(build)}")
        time.sleep(POLL_SECONDS)
    if code:
        lines = "".join(f"\n  {line}" for line in build.last_lines())
        raise BuildError(
            f"{go.program} could not build {MODULE} (it uses GOPROXY and GOFLAGS of the environment):{lines}"
        )


def _progress(build: Child) -> str:
    lines = build.log.read_text("utf-8", "replace").splitlines()
    fetched = sum(line.startswith("go: downloading") for line in lines)
    return f"{fetched} modules fetched, {len(lines) - fetched} packages built"


def main() -> int:
    """Build the service now, so that a later start need not."""
    try:
        print(programs(lambda text: print(f"  {text}", flush=True)).service)
    except BuildError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
