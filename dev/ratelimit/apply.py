"""Gives changed limits to a running rate limit service and waits until its own list shows them."""

import time
from collections.abc import Iterator
from pathlib import Path

from dev.envoy.files import EnvoyFiles, replace
from dev.process import POLL_SECONDS
from dev.ratelimit.program import programs
from dev.ratelimit.service import LimitsRefusedError, RateLimitService, as_enforced, check

ACCEPT_SECONDS = 10.0


def apply(source: EnvoyFiles, running: EnvoyFiles, service: RateLimitService) -> Iterator[str]:
    """Move each changed file to where the service watches, and yield a line for it; counts are kept.

    Only for files that it reads already: a new or removed domain is a new or removed filter, which needs a restart of
    Envoy. A file that the service does not accept is put back. Raises BuildError and LimitsRefusedError.
    """
    files = [(file, running.service_folder / file.name) for file in source.service_limits]
    changed = [
        (file, target) for file, target in files if target.is_file() and file.read_bytes() != target.read_bytes()
    ]
    if changed:
        check(source, programs(lambda _: None))
    for file, target in changed:
        old = target.read_text("utf-8")
        replace(target, file.read_text("utf-8"))
        if not _accepts(service, target):
            replace(target, old)
            reason = "its log (run/logs/ratelimit.log) says why"
            raise LimitsRefusedError(
                f"{target}: the rate limit service has not accepted it; the old one is back, {reason}"
            )
        yield f"{target}: the rate limit service enforces it now; its counts are kept"


def _accepts(service: RateLimitService, target: Path) -> bool:
    wanted = as_enforced(target)
    domain = next(iter(wanted)).partition(".")[0]
    deadline = time.monotonic() + ACCEPT_SECONDS
    while time.monotonic() < deadline:
        try:
            if {line for line in service.enforced() if line.startswith(f"{domain}.")} == wanted:
                return True
        except OSError:  # it may be restarting
            pass
        time.sleep(POLL_SECONDS)
    return False
