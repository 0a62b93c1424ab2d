"""Reads the resident memory of a process from Linux."""

import re
from pathlib import Path
from typing import Final

KIBI: Final = 1024


def resident(pid: int) -> float:
    """Return it in MiB. Raises OSError without such a process, or without /proc."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / KIBI if found else 0.0
