"""Near misses: files whose names say that they are policy, but which nothing would read."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from authz.errors import Findings

__all__ = ["report_near_misses"]

_FILES: Final = ("issuers.yml", "tiers.yml", "revocations.yml")
_CATALOGS: Final = ("catalog", "config")
_FOLDERS: Final = ("rules", *_CATALOGS, "keys")


def report_near_misses(policy: Path, findings: Findings) -> None:
    """Report misspelt names in a policy directory, and a second catalog; other files are none of our business."""
    entries = sorted(entry for entry in policy.glob("*") if not entry.name.startswith("."))
    for entry in entries:
        known = _FOLDERS if entry.is_dir() else _FILES
        if entry.name in known or (not entry.is_dir() and entry.suffix.lower() not in {".yml", ".yaml"}):
            continue
        near = difflib.get_close_matches(entry.name.lower(), known, n=1, cutoff=0.75)
        if near:
            findings.problem(entry, 0, f"is not read: did you mean {near[0]}?")
    if all((policy / name).is_dir() for name in _CATALOGS):
        findings.problem(policy / "config", 0, "is not read beside catalog/: keep one of the two")
