"""YAML that is written: one style for what is new, and changes that leave everything else as it stands."""

from collections.abc import Mapping
from textwrap import dedent
from typing import Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.documents.editor import UnchangeableError, changed, dumped

ORDER: Final = ("name", "description", "since", "kinds", "tags")
TEXT: Final = dedent(
    """\
    # About the file.
    ---
    name: one   # never changes

    # About the next.
    description: what it does  # in short
    kinds:
      # the usual one
      - first  # beside the first
      - second
      - third
    # About the tags.
    tags: [x, y]  # beside the tags
    """
)


def edited(old: str, new: str) -> str:
    """Return the text with one passage exchanged, which must be there."""
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"description": "more"}, edited("what it does", "more"), id="text, its comment stays"),
        pytest.param({"description": "a: b # c"}, edited("what it does", "'a: b # c'"), id="text that needs quotes"),
        pytest.param({"description": "17.10"}, edited("what it does", "'17.10'"), id="text that looks like a number"),
        pytest.param({"description": "true"}, edited("what it does", "'true'"), id="text that looks like a switch"),
        pytest.param(
            {"since": "2024-10-17 00:00:00 UTC"},
            edited("in short\n", "in short\nsince: 2024-10-17 00:00:00 UTC\n"),
            id="a new key, behind the one before it",
        ),
        pytest.param({"tags": ["z"]}, edited("[x, y]", "[z]"), id="a list on one line"),
        pytest.param({"tags": None}, edited("tags: [x, y]  # beside the tags\n", ""), id="a key taken out"),
        pytest.param({"since": None}, TEXT, id="a key taken out that is not there"),
        pytest.param(
            {"kinds": ["first", "third"]}, edited("  - second\n", ""), id="an item taken out, comments of others stay"
        ),
        pytest.param(
            {"kinds": ["second", "third"]},
            edited("  # the usual one\n  - first  # beside the first\n", ""),
            id="an item taken out with its comments",
        ),
        pytest.param(
            {"kinds": ["first", "second", "third", "fourth"]},
            edited("  - third\n", "  - third\n  - fourth\n"),
            id="an item added",
        ),
        pytest.param(
            {"kinds": ["third", "second"]},
            edited(
                "  # the usual one\n  - first  # beside the first\n  - second\n  - third\n", "  - third\n  - second\n"
            ),
            id="items in another order",
        ),
        pytest.param(
            {"tags": None, "description": "d", "kinds": ["first"]},
            edited("what it does", "d")
            .replace("  - second\n  - third\n", "")
            .replace("tags: [x, y]  # beside the tags\n", ""),
            id="several at once",
        ),
        pytest.param({"name": "one"}, TEXT, id="the same again"),
        pytest.param({}, TEXT, id="nothing"),
    ],
)
def test_a_change_leaves_every_other_line_alone(changes: Mapping[str, str | list[str] | None], expected: str) -> None:
    assert changed(TEXT, changes, ORDER) == expected


@pytest.mark.parametrize(
    ("old", "changes", "new"),
    [
        pytest.param("name: a\nsince:\n", {"since": "x"}, "name: a\nsince: x\n", id="a key without a value"),
        pytest.param("name: a\nsince:  # note\n", {"since": "x"}, "name: a\nsince: x  # note\n", id="the same, noted"),
        pytest.param("name: a\nkinds:\n", {"kinds": ["x"]}, "name: a\nkinds:\n  - x\n", id="a list that was not there"),
        pytest.param("name: a\nkinds: x\n", {"kinds": ["x"]}, "name: a\nkinds:\n  - x\n", id="text becomes a list"),
        pytest.param("name: a\nkinds:\n- x\n", {"kinds": ["x", "y"]}, "name: a\nkinds:\n- x\n- y\n", id="not indented"),
        pytest.param("name: a", {"since": "x"}, "name: a\nsince: x\n", id="no line break at the end"),
        pytest.param("name: a\r\n", {"since": "x"}, "name: a\r\nsince: x\r\n", id="line breaks of Windows"),
        pytest.param("name: 'a'\n", {"name": "b"}, "name: b\n", id="quoted text"),
        pytest.param("name: a\n  b\nsince: c\n", {"name": "d"}, "name: d\nsince: c\n", id="text on several lines"),
        pytest.param("name: >-\n  a\n  b\nsince: c\n", {"name": "d"}, "name: d\nsince: c\n", id="folded text"),
        pytest.param("tags: [a]\n", {"name": "d"}, "tags: [a]\nname: d\n", id="nothing stands before it"),
        pytest.param("name: a\n...\n", {"since": "x"}, "name: a\nsince: x\n...\n", id="an end mark"),
        pytest.param("name: ünï\n", {"since": "ö"}, "name: ünï\nsince: ö\n", id="letters of all kinds"),
        pytest.param("\ufeffname: a\n", {"name": "b"}, "\ufeffname: b\n", id="a byte order mark"),
    ],
)
def test_what_people_write_can_be_changed(old: str, changes: Mapping[str, str | list[str]], new: str) -> None:
    assert changed(old, changes, ORDER) == new


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        pytest.param("{name: a, since: b}\n", {"since": "c"}, id="all on one line"),
        pytest.param("name: &n a\nsince: *n\n", {"name": "c"}, id="another value depends on it"),
    ],
)
def test_what_the_lines_do_not_tell_is_left_to_people(text: str, changes: Mapping[str, str]) -> None:
    with pytest.raises(UnchangeableError):
        changed(text, changes, ORDER)


def test_a_new_document_has_one_item_a_line_and_its_keys_in_order() -> None:
    data = {
        "name": "a",
        "version": "17.10",
        "kinds": ["x", "y"],
        "deep": {"b": {"c": ["d"]}},
        "text": "long " * 60 + ".",
    }
    assert dumped(data) == (
        f"name: a\nversion: '17.10'\nkinds:\n  - x\n  - y\ndeep:\n  b:\n    c:\n      - d\ntext: {'long ' * 60}.\n"
    )


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={key: st.one_of(WORDS, st.lists(WORDS, max_size=3)) for key in ORDER}),
    st.fixed_dictionaries(
        {}, optional={key: st.one_of(st.none(), WORDS, st.lists(WORDS, max_size=3)) for key in ORDER}
    ),
)
def test_a_changed_document_says_what_was_asked_for(
    old: dict[str, object], changes: dict[str, str | list[str] | None]
) -> None:
    text = dumped({"first": "1", **old})
    wanted = {"first": "1", **old, **changes}
    assert yaml.safe_load(changed(text, changes, ORDER)) == {
        key: value for key, value in wanted.items() if value is not None
    }
