"""The benchmarks still time what they say; how long it takes is none of a test's business."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from benchmarks.__main__ import STEPS
from benchmarks.measuring import measure, table


@pytest.mark.parametrize("step", STEPS)
def test_every_case_of_a_step_runs(step: str) -> None:
    cases = list(import_module(f"benchmarks.{step}").cases())
    assert cases
    for case in cases:
        case.run()


def test_figures_become_a_table_in_the_order_of_the_cases() -> None:
    cases = list(import_module("benchmarks.match").cases())
    rows = table(measure(cases, rounds=2)).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [case.name for case in cases]


def test_an_unknown_step_is_named() -> None:
    ended = subprocess.run([sys.executable, "-m", "benchmarks", "pars"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pars" in ended.stderr


def test_a_missing_h2load_is_said_in_one_line() -> None:
    command = [sys.executable, "-m", "benchmarks.server"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nghttp2-client" in ended.stderr
    assert ended.stderr.count("\n") == 1
