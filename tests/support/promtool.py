"""Runs promtool, Prometheus' own checker of its files and of metrics."""

import shutil
import subprocess

import pytest


def promtool(*arguments: str, stdin: bytes = b"") -> str:
    """Return the output of promtool; fail with it if promtool reports an error or is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("there is no promtool: install Debian's package `prometheus` (apt-get install prometheus)")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()
