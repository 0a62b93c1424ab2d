"""Paths: what two readers could understand differently is refused before anything is decoded; byte by byte here."""

import string
from typing import Final

import pytest

from authz.deciding.paths import segments

LITERAL: Final = frozenset(string.ascii_letters + string.digits + "!\"$&'()*+,-.:<=>@[]^_`{|}~")
"""Visible ASCII without `/`, `?`, `%`, `#`, `;` and the backslash."""
HIDDEN: Final = frozenset("/\\;#?%")


def test_each_single_character_is_a_segment_or_refused() -> None:
    accepted = {chr(code) for code in range(0x300) if segments(f"/a{chr(code)}b") == [f"a{chr(code)}b"]}
    assert accepted == LITERAL


def test_each_character_that_is_refused_is_refused_not_dropped() -> None:
    for code in range(0x300):
        character = chr(code)
        if character not in LITERAL | {"/", "?"}:
            assert segments(f"/a{character}b") is None, character


@pytest.mark.parametrize("case", ["{:02x}", "{:02X}"], ids=["lower-case", "upper-case"])
def test_an_escape_of_a_visible_byte_is_decoded_and_of_a_separator_or_control_refused(case: str) -> None:
    for code in range(0x80):
        refused = code < 0x20 or code == 0x7F or chr(code) in HIDDEN
        assert segments(f"/a%{case.format(code)}b") == (None if refused else [f"a{chr(code)}b"]), hex(code)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/", [""], id="the root is one empty segment"),
        pytest.param("/a/", ["a", ""], id="a slash at the end leaves an empty one"),
        pytest.param("/a?b/../%zz#;", ["a"], id="the query is not looked at"),
        pytest.param("/?", [""], id="an empty query"),
        pytest.param("/%E2%82%AC", ["€"], id="an escaped character of three bytes"),
        pytest.param("/...", ["..."], id="three dots"),
        pytest.param("/.a/b.", [".a", "b."], id="dots among others"),
        pytest.param("/a+b%20c", ["a+b c"], id="a plus stays a plus"),
        pytest.param("/" + "a" * 2_047, ["a" * 2_047], id="as long as a path may be"),
        pytest.param("/a?" + "q" * 60_000, ["a"], id="a long query does not count"),
    ],
)
def test_a_sound_path_is_its_decoded_segments(target: str, expected: list[str]) -> None:
    assert segments(target) == expected


@pytest.mark.parametrize(
    "target",
    [
        "",
        "?",
        "a",
        "*",
        "http://h/a",
        "//a",
        "/a//",
        "/a//b",
        "/.",
        "/..",
        "/a/./b",
        "/a/../b",
        "/%2e",
        "/%2E%2e",
        "/.%2E/a",
        "/a/%2e%2e/b",
        "/%",
        "/%a",
        "/%ag",
        "/%%41",
        "/%u0041",
        "/%FF",
        "/%C3",
        "/%C3/%A9",
        "/%C0%AF",
        "/%ED%A0%80",
        "/%F5%80%80%80",
        "/a\n",
        "/a\r\nb",
        "/\x00",
        "/é",
        "/\ud800",
        "/" + "/a" * 30_000 + "//",
    ],
    ids=ascii,
)
def test_an_ambiguous_path_is_refused(target: str) -> None:
    assert segments(target) is None


@pytest.mark.parametrize("path", ["/" + "a" * 2_048, "/" + "%61/" * 15_000, "/a" * 30_000])
def test_a_path_longer_than_any_rule_is_refused_unread(path: str) -> None:
    """2026-11-22: 60 kB of escapes cost 10 ms, before any token was asked for."""
    assert segments(path) is None
