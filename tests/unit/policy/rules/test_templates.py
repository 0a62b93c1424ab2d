"""Path templates: what a rule may write as its path, and what it is told otherwise."""

import pytest

from authz.policy.rules.templates import MAX_SEGMENTS, Template, parse_prefix, parse_template
from tests.support.tables import row


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        row("the root", "/", ()),
        row("one segment", "/ai", ("ai",)),
        row("two segments", "/a/b", ("a", "b")),
        row("a gRPC service", "/DuoWorkflow", ("DuoWorkflow",)),
    ],
)
def test_a_prefix_is_literal_segments(text: str, segments: tuple[str, ...]) -> None:
    assert parse_prefix(text) == segments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        row("empty", "", "a path begins with /"),
        row("no slash", "ai", "a path begins with /"),
        row("a slash at the end", "/ai/", "an empty segment"),
        row("a free segment", "/{name}", "a prefix has literal segments only"),
        row("a rest", "/a/{rest=**}", "a prefix has literal segments only"),
    ],
)
def test_anything_else_is_no_prefix(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_prefix(text)


@pytest.mark.parametrize(
    ("text", "template", "names"),
    [
        row("literal", "/x", Template(("p", "x"), rest=False), {}),
        row("one free segment", "/x/{a}", Template(("p", "x", None), rest=False), {"a": (2, 3)}),
        row("two of them", "/{a}/x/{b_2}", Template(("p", None, "x", None), rest=False), {"a": (1, 2), "b_2": (3, 4)}),
        row("a rest alone", "/{r=**}", Template(("p",), rest=True), {"r": (1, None)}),
        row(
            "a free segment and a rest", "/{a}/{r=**}", Template(("p", None), rest=True), {"a": (1, 2), "r": (2, None)}
        ),
        row("three dots are a name", "/...", Template(("p", "..."), rest=False), {}),
        row("every character", "/a!$&'()*+,=:@-~.b", Template(("p", "a!$&'()*+,=:@-~.b"), rest=False), {}),
    ],
)
def test_a_path_is_below_its_prefix(text: str, template: Template, names: dict[str, tuple[int, int | None]]) -> None:
    assert parse_template(("p",), text) == (template, names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        row("no slash", "x", "a path begins with /"),
        row("empty", "", "a path begins with /"),
        row("only a slash", "/", "an empty segment .* can never match"),
        row("a slash at the end", "/x/", "an empty segment .* can never match"),
        row("two slashes in a row", "/x//y", "an empty segment .* can never match"),
        row("a name twice", "/{a}/{a}", "{a} appears twice"),
        row("a name twice, once for the rest", "/{a}/{a=**}", "{a} appears twice"),
        row("a rest in the middle", "/{r=**}/x", r"{r=\*\*} takes the rest of a path: it must come last"),
        row("an upper-case name", "/{Name}", "'{Name}' is neither {name} nor"),
        row("no name", "/{}", "'{}' is neither {name} nor"),
        row("one star", "/{a=*}", r"'{a=\*}' is neither {name} nor"),
        row("a part of a segment", "/x{a}", "'x{a}' is neither {name} nor"),
        row("an open brace", "/{a", "'{a' is neither {name} nor"),
        row("a closing brace", "/a}", "'a}' is neither {name} nor"),
        row("a dot", "/.", r"segment '\.' has a character that no path has"),
        row("two dots", "/..", r"segment '\.\.' has a character that no path has"),
        row("an escape", "/a%20b", "segment 'a%20b' has a character that no path has"),
        row("a space", "/a b", "segment 'a b' has a character that no path has"),
        row("a semicolon", "/a;b", "segment 'a;b' has a character that no path has"),
        row("a star, which newcomers write", "/a/*", "'.' is no pattern: {name} matches one segment"),
        row("two stars", "/a/**", "{name=..} all that follow"),
        row("a query", "/a?b", "segment 'a.b' has a character that no path has"),
        row("a fragment", "/a#b", "segment 'a#b' has a character that no path has"),
        row("a backslash", "/a\\b", "has a character that no path has"),
        row("not ASCII", "/é", "has a character that no path has"),
        row("a line break at the end", "/a\n", "has a character that no path has"),
    ],
)
def test_a_path_that_could_never_match_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_template(("p",), text)


def test_a_path_has_a_bounded_number_of_segments_its_prefix_counted() -> None:
    longest = "/x" * (MAX_SEGMENTS - 1)
    template, _ = parse_template(("p",), longest)
    assert len(template.segments) == MAX_SEGMENTS
    with pytest.raises(ValueError, match=f"at most {MAX_SEGMENTS} segments"):
        parse_template(("p",), longest + "/x")
