"""Strict JSON: one reading or none."""

import sys

import pytest

from authz.tokens.strict_json import MAX_BRACKETS, loads


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ('{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}', {"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}),
        (' [1, 2.5, true, null, "\\u00e9"] ', [1, 2.5, True, None, "é"]),
        ('"text"', "text"),
    ],
    ids=["empty", "the same name in different objects", "every kind of value", "a text alone"],
)
def test_json_is_read(text: str, value: object) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "Expecting value", id="empty"),
        pytest.param("{", "Expecting property name", id="cut off"),
        pytest.param("{} {}", "Extra data", id="two values"),
        pytest.param("{'a': 1}", "Expecting property name", id="single quotes"),
        pytest.param('{"a": 1,}', "Expecting property name", id="a comma at the end"),
        pytest.param('{"a": 01}', "delimiter", id="a leading zero"),
        pytest.param('"a\nb"', "Invalid control character", id="a raw line break in a text"),
        pytest.param("\ufeff{}", "Expecting value", id="a byte order mark"),
        pytest.param('{"a": 1, "a": 1}', "has a member twice", id="a member twice"),
        pytest.param('{"b": [{"a": 1, "a": 2}]}', "has a member twice", id="a member twice, deeper"),
        pytest.param('{"a": 1, "\\u0061": 2}', "has a member twice", id="a member twice, once escaped"),
        pytest.param('{"a": NaN}', "has NaN, which is not JSON", id="NaN"),
        pytest.param("Infinity", "has Infinity, which is not JSON", id="infinity"),
        pytest.param("[-Infinity]", "has -Infinity, which is not JSON", id="minus infinity"),
        pytest.param("9" * 5_000, "Exceeds the limit", id="a number of 5,000 digits"),
        pytest.param("[" * 100_000, "has more than", id="lists nested 100,000 deep"),
        pytest.param('{"a":' * 100_000, "has more than", id="objects nested 100,000 deep"),
        pytest.param(f"[{'[],' * MAX_BRACKETS}[]]", "has more than", id="too many lists, side by side"),
    ],
)
def test_anything_else_is_a_value_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loads(text)


def test_a_value_may_be_nested_as_deep_as_the_bound() -> None:
    assert repr(loads("[" * MAX_BRACKETS + "]" * MAX_BRACKETS)) == "[" * MAX_BRACKETS + "]" * MAX_BRACKETS


def test_a_caller_deep_in_the_stack_gets_a_value_error_too() -> None:
    def call_at(depth: int) -> object:
        return loads("[]") if depth == 0 else call_at(depth - 1)

    with pytest.raises(ValueError, match="is nested too deeply"):
        list(map(call_at, range(sys.getrecursionlimit())))
