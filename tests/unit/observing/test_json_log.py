"""What operators see holds no text from a client."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from authz.observing.json_log import fault, start_logging, timestamp

SECRET = "eyJhbGciOiJSUzI1NiJ9.secret"


@pytest.fixture
def quiet() -> Iterator[None]:
    """Give the service's logger back as it was."""
    logger = logging.getLogger("authz")
    before = (logger.handlers, logger.propagate, logger.level)
    yield
    logger.handlers, logger.propagate, level = before
    logger.setLevel(level)


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


def test_a_cause_is_not_told_either() -> None:
    assert re.fullmatch(r"RuntimeError at test_json_log\.py:\d+", fault(caught(lookup_for_a_reason)))


def test_a_fault_names_the_innermost_place() -> None:
    assert re.fullmatch(r"JSONDecodeError at decoder\.py:\d+", fault(caught(lambda: json.loads(SECRET))))


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert fault(ValueError(SECRET)) == "ValueError"


@pytest.mark.usefixtures("quiet")
def test_a_line_is_an_object_of_time_level_event_and_what_is_added(capfd: pytest.CaptureFixture[str]) -> None:
    log = start_logging("info")
    log.info("listening on %s", "unix:a.sock", extra={"worker": 3})
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("\n")
    line = json.loads(captured.err)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert list(line.items()) == [("level", "info"), ("event", "listening on unix:a.sock"), ("worker", 3)]


@pytest.mark.usefixtures("quiet")
def test_the_text_of_an_exception_is_not_told_nor_what_has_no_json(capfd: pytest.CaptureFixture[str]) -> None:
    log = start_logging("info")
    try:
        lookup()
    except KeyError as error:
        log.exception("a bug", extra={"error": error})
    line = json.loads(capfd.readouterr().err)
    assert set(line) == {"time", "level", "event", "error"}
    assert (line["event"], line["error"]) == ("a bug", "KeyError")
    assert SECRET not in str(line)


@pytest.mark.usefixtures("quiet")
def test_whatever_could_end_a_line_or_move_a_cursor_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info").info("%s", "\n\r\x1b[2J\u2028\x7f\ud800é")
    line = capfd.readouterr().err
    assert line.removesuffix("\n").isascii()
    assert "\n" not in line.removesuffix("\n")
    assert "\x1b" not in line
    assert json.loads(line)["event"] == "\n\r\x1b[2J\u2028\x7f\ud800é"


@pytest.mark.usefixtures("quiet")
def test_a_line_that_cannot_be_told_says_that_much(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info").info("%d lines", "no number")
    assert json.loads(capfd.readouterr().err) == {"level": "error", "event": "a line could not be told"}


@pytest.mark.usefixtures("quiet")
def test_lines_may_be_written_by_another(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    start_logging("info", lambda render: lines.append(render())).info("elsewhere")
    assert [json.loads(line)["event"] for line in lines] == ["elsewhere"]
    assert capfd.readouterr().err == ""


def test_a_standard_error_that_is_closed_or_full_is_no_reason_to_stop() -> None:
    start = "from authz.observing.json_log import start_logging; start_logging('info').info('x')"
    code = f"import os; os.close(2); {start}; print('on')"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


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
def test_a_moment_is_told_in_utc_or_not_at_all(moment: float, text: str) -> None:
    assert timestamp(moment) == text


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_less_severe_lines_are_left_out(level: str, lines: int, capfd: pytest.CaptureFixture[str]) -> None:
    log = start_logging(level)
    for write in (log.debug, log.info, log.warning, log.error):
        write("a line")
    assert len(capfd.readouterr().err.splitlines()) == lines


@pytest.mark.usefixtures("quiet")
def test_starting_twice_writes_each_line_once(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info")
    start_logging("info").info("once")
    assert capfd.readouterr().err.count("once") == 1
