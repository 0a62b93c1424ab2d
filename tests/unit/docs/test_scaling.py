"""The page on scaling reckons with what the benchmarks have measured, and reckons right."""

import math
import re
from collections.abc import Mapping
from typing import Final

import yaml

from tests.support.repository import ROOT

PAGE: Final = (ROOT / "docs" / "scaling.md").read_text("utf-8")
BENCHMARKS: Final = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
PARTS: Final = ("envoy", "authz", "ratelimit", "redis")
MILLION: Final = 1_000_000
BUSY: Final = 0.6
CELLS: Final = 50


def table(page: str, head: str) -> Mapping[str, tuple[str, ...]]:
    """The rows below a head, by their first cell."""
    _, found, after = page.partition(f"| {head} |")
    assert found, f"there is no table with the head {head}"
    rows: dict[str, tuple[str, ...]] = {}
    for line in after.splitlines()[2:]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = tuple(cells)
    return rows


def number(text: str) -> int:
    """The first number of a cell."""
    found = re.match(r"[\d,]+", text)
    assert found, text
    return int(found[0].replace(",", ""))


def measured() -> dict[str, int]:
    """Microseconds of a core for an allowed request."""
    (cells,) = (row for name, row in table(BENCHMARKS, "CPU of a request, µs").items() if name == "allow")
    return dict(zip(PARTS, map(number, cells), strict=True))


def cores(microseconds: float, requests: int) -> int:
    """Whole cores for so many requests a second, none of them busier than the autoscalers want them."""
    return math.ceil(microseconds * requests / MILLION / BUSY)


def test_a_core_carries_what_was_measured() -> None:
    rows = table(PAGE, "an allowed request")
    costs = {**measured(), "all": sum(measured().values())}
    assert rows.keys() == costs.keys()
    for name, cost in costs.items():
        assert tuple(map(number, rows[name])) == (cost, MILLION // cost, cores(cost, MILLION)), name


def test_a_million_a_second_is_fifty_cells() -> None:
    rows = {name.partition(",")[0]: tuple(map(number, cells)) for name, cells in table(PAGE, "what | one cell").items()}
    cell, total = rows["requests a second"]
    assert (cell * CELLS, total) == (MILLION, MILLION)
    for name, cost in measured().items():
        assert rows[name] == (cores(cost, cell), cores(cost, cell) * CELLS), name
    pods = max(math.ceil(cores(measured()["envoy"], cell) / 3), math.ceil(cores(measured()["authz"], cell) / 2))
    assert rows["pods of 3 cores for Envoy and 2 for authz"] == (pods, pods * CELLS)


def test_autoscalers_aim_where_the_page_says() -> None:
    for file in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text("utf-8")):
            if each["kind"] == "HorizontalPodAutoscaler":
                for metric in each["spec"]["metrics"]:
                    (kind,) = metric.keys() - {"type"}
                    assert metric[kind]["target"]["averageUtilization"] == BUSY * 100
                assert f"stop at {each['spec']['maxReplicas']} pods" in PAGE
