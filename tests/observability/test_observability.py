"""The shipped alerts fire when they should, and every query uses existing metrics and labels."""

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from authz.observing.metrics import Metrics
from tests.support.foreign_metrics import FOREIGN
from tests.support.integration.caller import Caller, healthy
from tests.support.integration.service import SECONDS, running
from tests.support.minting import request, write_keys
from tests.support.promql import parse, without_macros
from tests.support.promtool import promtool
from tests.support.repository import ROOT
from tests.unit.observing.test_metrics import Still

SHIPPED: Final = ROOT / "deploy" / "observability"
ALERTS: Final = SHIPPED / "prometheus" / "alerts.yml"
DASHBOARD: Final = SHIPPED / "grafana" / "dashboards" / "door.json"
OVER_TIME: Final = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
WIDTH: Final = 24
SCRAPED: Final = frozenset({"job", "instance"})
"""Labels that Prometheus adds to every metric."""
LABEL_VALUES: Final = re.compile(r"label_values\((\w+), (\w+)\)")
SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*?)\})? ", re.MULTILINE)

Member = dict[str, Any]  # Any: JSON and YAML of others

RULES: Final[list[Member]] = [
    rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]
]
BOARD: Final[Member] = json.loads(DASHBOARD.read_text("utf-8"))
PANELS: Final[list[Member]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES: Final = {
    **{f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]},
    **{f"annotation {each['name']}": each["expr"] for each in BOARD["annotations"]["list"]},
    **{rule["alert"]: rule["expr"] for rule in RULES},
}


@cache
def known() -> Mapping[str, frozenset[str]]:
    """Return every existing metric with its labels."""
    own: dict[str, frozenset[str]] = {}
    for name, labels in SAMPLE.findall(Metrics(Still(), "1").text().decode()):
        own[name] = own.get(name, frozenset()) | frozenset(re.findall(r'(\w+)="', labels))
    return {**own, **FOREIGN}


def test_promtool_accepts_the_metrics_of_a_running_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("m")
    write_keys(folder / "keys")
    flags = ("--keys", "keys", "--listen", "unix:{worker}.sock", "--workers", "2", "--admin", "127.0.0.1:0")
    with running(folder, *flags, listeners=2) as service:
        admin = f"127.0.0.1:{service.admin_port()}"
        for worker in range(2):
            with Caller(folder / f"{worker}.sock") as caller:
                assert [caller.code(healthy()), caller.code(request())] == [0, 16]
        text = awaited(admin, ["authz_check_duration_seconds_count 4.0", 'reason="missing_authorization"'])
    # It must exist before the first loss, or `increase` would not see that one.
    assert b'authz_log_lines_dropped_total{cause="unwritable"} 0.0' in text
    assert promtool("check", "metrics", stdin=text) == ""
    assert {name for name, _ in SAMPLE.findall(text.decode())} <= known().keys()


def awaited(admin: str, pieces: Sequence[str]) -> bytes:
    """Return the metrics once they hold those pieces of text."""
    deadline = time.monotonic() + SECONDS
    while True:
        with closing(http.client.HTTPConnection(admin, timeout=SECONDS)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read()
        if all(piece.encode() in text for piece in pieces):
            return text
        assert time.monotonic() < deadline, text.decode()
        time.sleep(0.05)


def test_prometheus_can_read_the_alerts() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))


@pytest.mark.parametrize("file", OVER_TIME, ids=[file.stem for file in OVER_TIME])
def test_alerts_fire_when_they_should(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_prometheus_can_parse_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": "a:query", "expr": without_macros(query), "labels": {"of": of}} for of, query in QUERIES.items()
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", "--lint=none", str(file))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_query_uses_existing_metrics_and_labels(query: str) -> None:
    asked = parse(query)
    assert asked.metrics, "the query names no metric"
    for metric, labels in asked.metrics.items():
        assert metric in known(), f"there is no metric {metric}"
        assert labels <= known()[metric] | SCRAPED, f"{metric} has no such label"
    existing = SCRAPED.union(*(known()[metric] for metric in asked.metrics))
    assert asked.grouped_by <= existing


def test_every_listed_foreign_metric_is_used_by_a_query() -> None:
    asked = {metric for query in QUERIES.values() for metric in parse(query).metrics}
    asked |= {found[1] for each in BOARD["templating"]["list"] if (found := LABEL_VALUES.fullmatch(each["definition"]))}
    assert asked - known().keys() == set()
    assert FOREIGN.keys() <= asked, "this metric is not used and need not be listed"


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_has_a_severity_and_a_text_with_existing_labels(rule: Member) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket", "look"}
    assert rule["annotations"].keys() == {"summary", "description"}
    asked = parse(rule["expr"])
    existing = asked.grouped_by or SCRAPED.union(*(known()[metric] for metric in asked.metrics))
    named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
    assert named <= existing, "the text names a label that the alert does not have"


def test_a_variable_of_the_dashboard_lists_an_existing_label() -> None:
    for variable in BOARD["templating"]["list"]:
        found = LABEL_VALUES.fullmatch(variable["definition"])
        assert found is not None
        assert found[2] in known()[found[1]] | SCRAPED
        assert variable["query"]["query"] == variable["definition"]


def test_the_dashboard_uses_the_provisioned_data_source() -> None:
    text = DASHBOARD.read_text("utf-8")
    assert set(re.findall(r'"uid": "([^"]+)"', text)) == {BOARD["uid"], "prometheus"}


def test_every_panel_has_a_description_and_no_panels_overlap() -> None:
    positions = {panel["id"]: panel["gridPos"] for panel in BOARD["panels"]}
    assert len(positions) == len(BOARD["panels"]), "two panels have one id"
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
    for position in positions.values():
        assert position["x"] + position["w"] <= WIDTH
    for one, other in combinations(positions.values(), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, f"panels cover each other: {one} and {other}"
