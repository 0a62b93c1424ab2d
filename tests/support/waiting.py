"""Waits for a condition that no event announces."""

import time
from collections.abc import Callable

SECONDS = 30.0
"""Longer than anything takes, so that a hang becomes a failure."""


def until(holds: Callable[[], bool], what: str = "what the test waits for") -> None:
    """Wait until a condition is met; else fail."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)
