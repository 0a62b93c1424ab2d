"""Events have fixed names and plain fields, so that operators can select them."""

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from authz.observing import events
from authz.observing.events import Event
from authz.observing.json_log import LOG_LEVELS, event_line
from tests.support.repository import ROOT

EVENTS: Final = [
    each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event) and each is not Event
]


def fields(event: type[Event]) -> list[str]:
    return [field.name for field in dataclasses.fields(event)]  # type: ignore[arg-type]  # every event is a dataclass


def test_each_name_stands_once() -> None:
    names = [event.name for event in EVENTS]
    assert len(names) == len(set(names)) > 20
    assert "decision" not in names, "that is a line of the decision log"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_has_a_plain_name_a_level_and_plain_fields(event: type[Event]) -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", word) for word in (event.name, *fields(event)))
    assert event.name == re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower(), "so that a name in the log is found"
    assert event.level in LOG_LEVELS
    assert not {"time", "level", "event", "name"} & set(fields(event))
    made = event(**dict.fromkeys(fields(event), 0))
    assert list(json.loads(event_line(made, 0.0))) == ["time", "level", "event", *fields(event)]


def calls() -> Iterator[ast.Call]:
    """Every place of the program that makes an event."""
    names = {event.__name__ for event in EVENTS}
    for file in (ROOT / "authz").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node


def test_every_place_that_makes_an_event_gives_it_all_of_its_fields_and_no_other() -> None:
    """As mypy has it: an event that cannot be made must not take the service down."""
    declared = {event.__name__: fields(event) for event in EVENTS}
    made = set()
    for call in calls():
        assert isinstance(call.func, ast.Name)
        wanted: list[Any] = declared[call.func.id]
        given = [*wanted[: len(call.args)], *(keyword.arg for keyword in call.keywords)]
        assert given == wanted, call.func.id
        made.add(call.func.id)
    assert made == declared.keys(), "an event that nothing makes"
