"""Prometheus' own judge of its files and of metrics."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def promtool(*arguments: str, told: bytes = b"") -> str:
    """Return what promtool says when it is content; fail with what it says when it is not, and where there is none."""
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("there is no promtool: install Debian's package `prometheus` (apt-get install prometheus)")
    done = subprocess.run([program, *arguments], input=told, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()
