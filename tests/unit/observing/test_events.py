"""Events have fixed names and plain fields, so that operators can select them."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from authz.observing import events
from authz.observing.events import Kind
from authz.observing.json_log import LOG_LEVELS, event_line
from tests.support.repository import ROOT

EVENTS: Final[dict[str, Kind[...]]] = {name: each for name, each in vars(events).items() if isinstance(each, Kind)}


@pytest.mark.parametrize(("name", "event"), EVENTS.items(), ids=EVENTS)
def test_an_event_has_a_plain_name_a_level_and_plain_fields(name: str, event: Kind[...]) -> None:
    assert name == event.name, "so that a name in the log is found"
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", word) for word in (event.name, *event.fields))
    assert event.name != "decision", "that is a line of the decision log"
    assert event.level in LOG_LEVELS
    assert not {"time", "level", "event", "name"} & set(event.fields)
    made = event(**dict.fromkeys(event.fields, 0))
    assert list(json.loads(event_line(made, 0.0))) == ["time", "level", "event", *event.fields]


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every place of the program that makes an event."""
    for file in (ROOT / "authz").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("events."):
                yield ast.unparse(node.func).removeprefix("events."), node


def test_every_place_that_makes_an_event_gives_it_all_of_its_fields_and_no_other() -> None:
    """As mypy has it: an event that cannot be made must not take the service down."""
    made = set()
    for name, call in calls():
        wanted = EVENTS[name].fields
        given = [*wanted[: len(call.args)], *(keyword.arg for keyword in call.keywords)]
        assert given == list(wanted), name
        assert len(call.args) <= len(wanted), name
        made.add(name)
    assert made == EVENTS.keys(), "an event that nothing makes"
