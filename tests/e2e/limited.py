"""The shipped configuration with other limits, rendered as the platform team renders them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev.envoy_files import EnvoyFiles
from tests.e2e.served import ROOT, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WIDE", "render_limits", "with_limits"]

WIDE: Final = (Path(__file__).parent / "limits.yaml").read_text("utf-8")
"""Limits that no test reaches by itself."""


def with_limits(folder: Path, limits: str, edits: Sequence[tuple[str, str]] = ()) -> EnvoyFiles:
    """Copy what is shipped into a folder, and render other limits there, with texts of them replaced."""
    shutil.copytree(SHIPPED.folder, folder / SHIPPED.folder.name)
    return render_limits(folder, limits, edits)


def render_limits(folder: Path, limits: str, edits: Sequence[tuple[str, str]] = ()) -> EnvoyFiles:
    """Render anew where `with_limits` has been."""
    files = EnvoyFiles(folder / SHIPPED.folder.name)
    for old, new in edits:
        assert old in limits, f"the limits no longer hold: {old}"
        limits = limits.replace(old, new)
    (files.folder / "limits.yaml").write_text(limits, "utf-8")
    command = [sys.executable, "-m", "authz", "limits", "render"]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return files
