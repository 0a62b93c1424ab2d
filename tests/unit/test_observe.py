"""What operators see holds no text from a client."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

import pytest

from authz.observe import fault, start_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    assert re.fullmatch(r"KeyError at test_observe\.py:\d+", fault(caught(lookup)))


def test_a_cause_is_not_told_either() -> None:
    assert re.fullmatch(r"RuntimeError at test_observe\.py:\d+", fault(caught(lookup_for_a_reason)))


def test_a_fault_names_the_innermost_place() -> None:
    assert re.fullmatch(r"JSONDecodeError at decoder\.py:\d+", fault(caught(lambda: json.loads(SECRET))))


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert fault(ValueError(SECRET)) == "ValueError"


@pytest.mark.usefixtures("quiet")
def test_a_line_is_its_time_its_level_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("info")
    log.info("listening on %s", "unix:a.sock")
    captured = capsys.readouterr()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO listening on unix:a\.sock\n", captured.err)
    assert captured.out == ""


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_less_severe_lines_are_left_out(level: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging(level)
    for write in (log.debug, log.info, log.warning, log.error):
        write("a line")
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.usefixtures("quiet")
def test_starting_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("info")
    start_logging("info").info("once")
    assert capsys.readouterr().err.count("once") == 1
