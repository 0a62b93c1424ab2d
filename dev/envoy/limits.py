"""Runs `authz limits render` or `check` for a folder's limits.yaml."""

import subprocess
import sys

from dev.envoy.files import EnvoyFiles


def render(source: EnvoyFiles) -> tuple[str, ...]:
    """Render what is out of date. If the limits have problems, return these and write nothing."""
    return _run(source, "render")


def check(source: EnvoyFiles) -> tuple[str, ...]:
    """Return what is wrong with the limits or out of date."""
    return _run(source, "check")


def _run(source: EnvoyFiles, command: str) -> tuple[str, ...]:
    limits = source.folder / "limits.yaml"
    if not limits.is_file():  # a rendered copy, which is not edited
        return ()
    where = ("--limits", limits, "--bootstrap", source.bootstrap, "--into", source.folder / "rendered")
    line = (sys.executable, "-m", "authz", "limits", command, *map(str, where))
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    return tuple(run.stderr.splitlines()) if run.returncode else ()
