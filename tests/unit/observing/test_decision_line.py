"""The path in a decision's line: without tokens, at a cost that no client can raise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import pytest
from authz.observing.decision_line import _TOKEN, MAX_PATH, _path
from hypothesis import given, settings
from hypothesis import strategies as st

ODD: Final = st.lists(
    st.sampled_from(["ey", "eyJ", "eyA", "e", "J", ".", "%2E", "-", "_", "*", "/", "é", "a" * 9])
).map("".join)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(path=ODD | st.builds(lambda piece, times: (piece * times)[:MAX_PATH], ODD, st.integers(0, MAX_PATH)))
def test_tokens_are_found_as_the_slow_twin_finds_them(path: str) -> None:
    assert _TOKEN.sub("[token]", path) == without_tokens(path)


def without_tokens(path: str) -> str:
    """Go through it letter by letter."""
    told, at = "", 0
    while at < len(path):
        end = run_end(path, at, ".%")
        if path[at : at + 3] in {"eyJ", "eyA"} and end - at >= 16:
            while path[end : end + 1] == "/" and run_end(path, end + 1) - end > 40:
                end = run_end(path, end + 1)
            told, at = told + "[token]", end
        else:
            told, at = told + path[at], at + 1
    return told


def run_end(path: str, at: int, more: str = "") -> int:
    while at < len(path) and path[at].isascii() and (path[at].isalnum() or path[at] in "_-" + more):
        at += 1
    return at


def test_looking_for_tokens_takes_no_letter_back() -> None:
    """2026-11-22: 1,024 letters of `eyeyey…*` cost 6 ms a line, because each `ey` read all the others and gave up."""
    assert not takes_back(_TOKEN.pattern)
    assert takes_back(r"ey[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){1,2}")
    assert takes_back(r"(?:a+b)*c")


def takes_back(pattern: str) -> bool:
    """Whether something must follow a repetition without end, so that the search may fail after all it has read."""
    return fails(list(re._parser.parse(pattern)))  # type: ignore[attr-defined]


def fails(items: Sequence[Any]) -> bool:  # Any: a parsed pattern has no types
    endless = [item for item in items if is_endless(item)]
    behind = items[items.index(endless[0]) + 1 :] if endless else []
    return any(not is_endless(item) or item[1][0] > 0 for item in behind) or any(
        fails(list(item[1][2])) for item in endless
    )


def is_endless(item: Any) -> bool:  # Any: as above
    return str(item[0]) == "MAX_REPEAT" and str(item[1][1]) == "MAXREPEAT"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    before=st.integers(0, 1_100),
    length=st.integers(16, 2_500),
    between=st.integers(0, 1_100),
    times=st.integers(0, 3),
    scheme=st.sampled_from(["Bearer ", ""]),
)
def test_of_a_long_path_no_part_of_the_credential_is_told(
    before: int, length: int, between: int, times: int, scheme: str
) -> None:
    """2026-11-22: all of a path was searched for all of a credential, however long both were, to show 1,024 letters."""
    token = "<" + "".join(chr(0x100 + number) for number in range(length - 1))
    path = _path("a" * before + ("b" * between + token) * times + "?" + token, scheme + token)
    plain = "a" * before + ("b" * between + "[token]") * times
    assert set(path) <= set("ab[token]")
    assert len(path) <= MAX_PATH
    assert plain.startswith(path)


class Read(str):
    """Text that may be cut, and nothing else."""

    __slots__ = ()

    def partition(self, _: str) -> NoReturn:
        pytest.fail("read whole")


def test_a_path_is_read_no_further_than_is_told() -> None:
    """2026-11-22, as above."""
    path = Read("/" + "a" * 100_000)
    assert _path(path, "Bearer short") == _path(path, "Bearer " + "b" * 100_000) == path[:MAX_PATH]
