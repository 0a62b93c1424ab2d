"""The page for operators says what the program does: flags, metrics, reasons, members of a line and alerts."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import click
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from authz.cli.serve import serve
from authz.deciding.reasons import ANSWERS, Reason
from authz.observing import decision_log
from authz.observing.metrics import Metrics
from authz.tokens.proof import TokenError
from tests.support.repository import ROOT
from tests.unit.observing.test_events import EVENTS
from tests.unit.observing.test_metrics import Still

PAGE: Final = ROOT / "docs" / "operations.md"
ALERTS: Final = ROOT / "deploy" / "observability" / "prometheus" / "alerts.yml"
BENCHMARKS: Final = ROOT / "benchmarks" / "README.md"
LINES: Final = 340
_CELLS: Final = re.compile(r"(?<!\\)\|")
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\]\(([^)#\s]*)(#[^)\s]+)?\)")

Row = tuple[str, ...]


@cache
def tables() -> Mapping[str, Sequence[Row]]:
    """The rows of each section of the page, without their heads."""
    found: dict[str, list[Row]] = {}
    heading, rows = "", list[Row]()
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
            rows = found.setdefault(heading, [])
        elif line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in _CELLS.split(line)[1:-1]))
    return {heading: rows[2:] for heading, rows in found.items() if rows}


def named(cell: str) -> str:
    """The one name in a cell."""
    (name,) = _CODE.findall(cell)
    return str(name)


def options() -> Iterator[Row]:
    """Every flag of `authz serve` with its variable and its default, as its help shows it."""
    context = click.Context(serve)
    for option in serve.params:
        assert isinstance(option, click.Option)
        _, shown = option.get_help_record(context) or ("", "")
        default = re.search(r"default: ([^;\]]+)", shown)
        unset = "off" if option.is_flag else "none"
        yield option.opts[0], f"AUTHZ_{option.name}".upper(), default[1].strip("() ") if default else unset
        assert f"env var: AUTHZ_{option.name}".upper() in shown.replace("\n", " ").upper()


def test_every_flag_is_there_with_its_variable_and_default() -> None:
    told = {(named(flag), named(variable), default) for flag, variable, default, _ in tables()["Flags"]}
    assert told == set(options())


def test_every_metric_is_there_with_its_labels() -> None:
    told = {named(name): frozenset(_CODE.findall(labels)) for name, labels, _ in tables()["Metrics"]}
    families = text_string_to_metric_families(Metrics(Still(), "1").text().decode())
    assert told == {
        family.name + ("_total" if family.type == "counter" else ""): frozenset[str]().union(
            *(sample.labels.keys() - {"le"} for sample in family.samples)
        )
        for family in families
    }


def test_every_reason_is_there_with_its_status() -> None:
    told = [(named(reason), status) for reason, status, *_ in tables()["Reasons"]]
    assert told == [(reason, str(ANSWERS[reason].status) if reason in ANSWERS else "") for reason in Reason]


def test_every_refusal_has_something_to_be_done() -> None:
    assert [reason for reason, _, means, todo in tables()["Reasons"] if not means or not todo] == [
        f"`{Reason.ALLOWED}`",
        f"`{Reason.PUBLIC}`",
    ]


def test_every_token_error_is_there() -> None:
    assert [named(error) for error, _, _ in tables()["Token errors"]] == list(TokenError)
    assert all(means and todo for _, means, todo in tables()["Token errors"])


def test_every_member_of_a_decisions_line_is_there() -> None:
    """They stand as keys in the functions that make the line."""
    keys: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(decision_log))):
        if isinstance(node, ast.Dict):
            keys |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    told = [name for names, _ in tables()["Decision log"] for name in _CODE.findall(names)]
    assert len(told) == len(set(told))
    assert set(told) == keys


def test_every_event_is_there_with_its_level_and_fields_and_says_what_it_means() -> None:
    told = [(named(event), level, _CODE.findall(names)) for event, level, names, _ in tables()["Log events"]]
    assert told == [(event.name, event.level, list(event.fields)) for event in EVENTS.values()]
    assert all(meaning for *_, meaning in tables()["Log events"])


def test_every_event_that_is_named_exists() -> None:
    """Recipes select by names; a name that nothing writes finds nothing."""
    known = EVENTS.keys() | {"decision"}
    text = PAGE.read_text("utf-8")
    assert set(re.findall(r'\.event == "(\w+)"', text)) | set(re.findall(r"event `(\w+)`", text)) <= known


def test_every_alert_is_there_with_its_severity() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]
    told = [(named(alert), severity) for alert, severity, _ in tables()["Alerts"]]
    assert told == [(rule["alert"], rule["labels"]["severity"]) for rule in rules]


@pytest.mark.parametrize(("what", "figure"), [row for row in tables()["Sizes"] if _CODE.search(row[0])])
def test_a_figure_is_the_one_that_was_measured(what: str, figure: str) -> None:
    (row,) = re.findall(rf"^\| {re.escape(named(what))} \| ([0-9.,]+) \|", BENCHMARKS.read_text("utf-8"), re.MULTILINE)
    assert figure == row


def test_a_link_leads_somewhere() -> None:
    for file, heading in _LINK.findall(PAGE.read_text("utf-8")):
        target = (PAGE.parent / file) if file else PAGE
        assert target.exists(), file
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in {"#" + re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_page_can_be_read_in_one_sitting() -> None:
    assert len(PAGE.read_text("utf-8").splitlines()) <= LINES
