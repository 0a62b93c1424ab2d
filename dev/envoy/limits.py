"""The limits of a folder that people edit: made into what Envoy and the rate limit service read, or seen to be that."""

import subprocess
import sys

from dev.envoy.files import EnvoyFiles


def render(source: EnvoyFiles) -> tuple[str, ...]:
    """Write what is stale anew; return what is wrong with the limits, and then nothing is written."""
    return _told(source, "render")


def check(source: EnvoyFiles) -> tuple[str, ...]:
    """What is wrong with the limits, or stale."""
    return _told(source, "check")


def _told(source: EnvoyFiles, command: str) -> tuple[str, ...]:
    limits = source.folder / "limits.yaml"
    if not limits.is_file():  # a copy of what was rendered, which nobody edits
        return ()
    where = ("--limits", limits, "--bootstrap", source.bootstrap, "--into", source.folder / "rendered")
    line = (sys.executable, "-m", "authz", "limits", command, *map(str, where))
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    return tuple(run.stderr.splitlines()) if run.returncode else ()
