"""The benchmarks run and measure what they name; their figures are not tested."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from benchmarks import limits, memory, soak
from benchmarks.__main__ import STEPS
from benchmarks.limits_traffic import Phase
from benchmarks.measuring import measure, table
from tests.support.e2e.processes import SHIPPED


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


def test_a_missing_h2load_is_reported_in_one_line() -> None:
    command = [sys.executable, "-m", "benchmarks.server"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nghttp2-client" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_experiment_with_limits_runs_and_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "limits.svg"
    phases = (Phase(1, {}), Phase(2, {"any": 40.0}), Phase(1, {}))
    assert limits.main(phases, plot) == 0
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["any", "small", "medium", "large"]
    assert [row[3] for row in rows] == ["0.0"] * 4, "limits in shadow have refused"
    assert float(rows[0][6]) > 0, "the flood was not refused"
    drawn = ET.fromstring(plot.read_text("utf-8"))  # noqa: S314  # our own
    assert len(drawn.findall(".//{*}polyline")) == 16


def test_memory_is_printed_for_growing_numbers_of_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    assert memory.main(["40"]) == 0
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines()[2:-2]]
    assert [row[:2] for row in rows] == [[f"{seen}", f"{seen}"] for seen in (0, 2, 4, 10, 20, 30, 40)]
    assert all(float(row[2]) > 0 for row in rows)


def test_a_soak_asks_every_kind_of_question_and_watches_every_process(capsys: pytest.CaptureFixture[str]) -> None:
    soak.main(["4"])  # whether memory is flat after four seconds does not matter
    output = capsys.readouterr().out
    assert re.findall(r"(?m)^\| ([a-z]+(?: \d)?) \| \d", output) == ["supervisor", "worker 0", "worker 1"]
    for kind in ("new token", "known token", "expired", "forged", "no token", "another scope", "no rule", "no request"):
        assert re.search(rf"{kind} [1-9]", output)
    assert "instead of" not in output
    assert "'warning'" not in output


@pytest.mark.parametrize(
    ("samples", "is_flat"),
    [
        ([90.0, 100.0, 101.0, 102.0], True),
        ([90.0, 100.0, 101.0, 102.1], False),
        ([20.0, 30.0, 30.5, 31.0], True),
        ([20.0, 30.0, 30.5, 31.1], False),
        ([120.0, 100.0, 110.0, 100.0], True),
    ],
)
def test_memory_is_flat_if_it_is_no_larger_at_the_end_than_after_warming_up(
    samples: list[float], *, is_flat: bool
) -> None:
    grown = soak.growth("worker 0", [each for each in samples for _ in range(3)])
    assert grown.is_flat() is is_flat
    assert soak.faults([grown], {}, [{"level": "info", "event": "worker_listening"}]) == (
        [] if is_flat else ["worker 0 has grown"]
    )


def test_a_soak_reports_wrong_answers_and_warnings() -> None:
    flat = soak.growth("worker 0", [1.0] * 4)
    events = [{"level": "info", "event": "worker_started"}, {"level": "warning", "event": "worker_restarted"}]
    found = soak.faults([flat], {"forged: 0 instead of 16": 2}, events)
    assert found == ["2 times forged: 0 instead of 16", "{'level': 'warning', 'event': 'worker_restarted'}"]


def test_the_experiment_uses_the_shipped_shares() -> None:
    shares = {name: tier["share"] for name, tier in _shipped().items()}
    own = limits.experiment_limits(shadow=False)["backend_services"][limits.BACKEND]["tiers"]
    assert {name: tier["share"] for name, tier in own.items()} == shares
    for crowd in limits.CROWDS:
        share = float(shares[crowd.tier].rstrip("%")) / 100
        assert crowd.per_second == pytest.approx(0.75 * share * limits.PER_SECOND)


def _shipped() -> dict[str, dict[str, str]]:
    document = yaml.safe_load((SHIPPED.folder / "limits.yaml").read_text("utf-8"))
    tiers: dict[str, dict[str, str]] = document["backend_services"][limits.BACKEND]["tiers"]
    return tiers
