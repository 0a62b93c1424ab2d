"""What operators see holds no text from a client."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from authz.documents.findings import Problem
from authz.observing import events
from authz.observing.json_log import EventLog, event_line, fault, timestamp, to_json

SECRET = "eyJhbGciOiJSUzI1NiJ9.secret"


def caught(strike: Callable[[], object]) -> Exception:
    """Return what a call raises, with the place where it did."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  whatever it raises is shown
        strike()
    assert isinstance(raised.value, Exception)
    return raised.value


def lookup() -> None:
    raise KeyError(SECRET)


def lookup_for_a_reason() -> None:
    try:
        lookup()
    except KeyError as error:
        raise RuntimeError(SECRET) from error


def test_a_fault_names_its_kind_and_place_and_nothing_that_it_says() -> None:
    assert re.fullmatch(r"KeyError at test_json_log\.py:\d+", fault(caught(lookup)))


def test_a_cause_is_left_out_too() -> None:
    assert re.fullmatch(r"RuntimeError at test_json_log\.py:\d+", fault(caught(lookup_for_a_reason)))


def test_a_fault_names_the_innermost_place() -> None:
    assert re.fullmatch(r"JSONDecodeError at decoder\.py:\d+", fault(caught(lambda: json.loads(SECRET))))


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert fault(ValueError(SECRET)) == "ValueError"


class Lines(list[str]):
    """Takes the lines of a log, in place of a writer."""

    def put(self, render: Callable[[], str]) -> None:
        self.append(render())


def test_an_event_is_an_object_of_time_level_event_and_its_fields() -> None:
    lines = Lines()
    EventLog("info", lines.put).write(events.worker_listening(3, "unix:a.sock"))
    (line,) = map(json.loads, lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert list(line.items()) == [
        ("level", "info"),
        ("event", "worker_listening"),
        ("worker", 3),
        ("address", "unix:a.sock"),
    ]


def test_problems_and_paths_are_plain_json_and_none_is_left_out() -> None:
    problem = Problem(Path("policy/tiers.yml"), 3, "unknown key")
    members = {"file": "policy/tiers.yml", "line": 3, "message": "unknown key"}
    line = json.loads(event_line(events.policy_refused(Path("policy"), "A", (problem,)), 0.0))
    assert (line["policy"], line["problems"]) == ("policy", [members])
    line = json.loads(event_line(events.policy_not_loaded(Path("policy"), "A", "B", "a cause", None), 0.0))
    assert "retry_s" not in line


def test_what_has_no_json_is_shown_by_its_type_alone() -> None:
    assert to_json({"error": KeyError(SECRET)}) == '{"error":"KeyError"}'


def test_whatever_could_end_a_line_or_move_a_cursor_is_escaped() -> None:
    text = "\n\r\x1b[2J\u2028\x7f\ud800é"
    line = event_line(events.swap_failed(0, text), 0.0)
    assert line.isascii()
    assert not {"\n", "\x1b"} & set(line)
    assert json.loads(line)["revision"] == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (1_767_225_600.5, "2026-01-01T00:00:00.500000Z"),
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (float("nan"), ""),
        (float("inf"), ""),
        (1e18, ""),
        (-1e18, ""),
    ],
)
def test_a_moment_is_written_in_utc_or_not_at_all(moment: float, text: str) -> None:
    assert timestamp(moment) == text


@pytest.mark.parametrize(("level", "least"), [("debug", 0), ("info", 0), ("warning", 1), ("error", 2)])
def test_less_severe_events_are_left_out(level: str, least: int) -> None:
    every = [events.worker_drained(0), events.worker_restarted(0, "exit code 1", 0.1), events.swap_failed(0, "A")]
    lines = Lines()
    log = EventLog(level, lines.put)
    for event in every:
        log.write(event)
    assert [json.loads(line)["event"] for line in lines] == [event.name for event in every[least:]]
