"""Path templates: what a rule may write as its path, and what it is told otherwise."""

import pytest

from authz.policy.rules.templates import MAX_SEGMENTS, Template, parse_prefix, parse_template


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        pytest.param("/", (), id="the root"),
        pytest.param("/ai", ("ai",), id="one segment"),
        pytest.param("/a/b", ("a", "b"), id="two segments"),
        pytest.param("/duo_workflow.DuoWorkflow", ("duo_workflow.DuoWorkflow",), id="a gRPC service"),
    ],
)
def test_a_prefix_is_literal_segments(text: str, segments: tuple[str, ...]) -> None:
    assert parse_prefix(text) == segments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "a path begins with /", id="empty"),
        pytest.param("ai", "a path begins with /", id="no slash"),
        pytest.param("/ai/", "an empty segment", id="a slash at the end"),
        pytest.param("/{name}", "a prefix has literal segments only", id="a free segment"),
        pytest.param("/a/{rest=**}", "a prefix has literal segments only", id="a rest"),
    ],
)
def test_anything_else_is_no_prefix(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_prefix(text)


@pytest.mark.parametrize(
    ("text", "template", "names"),
    [
        pytest.param("/x", Template(("p", "x"), rest=False), {}, id="literal"),
        pytest.param("/x/{a}", Template(("p", "x", None), rest=False), {"a": (2, 3)}, id="one free segment"),
        pytest.param(
            "/{a}/x/{b_2}", Template(("p", None, "x", None), rest=False), {"a": (1, 2), "b_2": (3, 4)}, id="two of them"
        ),
        pytest.param("/{r=**}", Template(("p",), rest=True), {"r": (1, None)}, id="a rest alone"),
        pytest.param(
            "/{a}/{r=**}",
            Template(("p", None), rest=True),
            {"a": (1, 2), "r": (2, None)},
            id="a free segment and a rest",
        ),
        pytest.param("/...", Template(("p", "..."), rest=False), {}, id="three dots are a name"),
        pytest.param("/a!$&'()*+,=:@-~.b", Template(("p", "a!$&'()*+,=:@-~.b"), rest=False), {}, id="every character"),
    ],
)
def test_a_path_is_below_its_prefix(text: str, template: Template, names: dict[str, tuple[int, int | None]]) -> None:
    assert parse_template(("p",), text) == (template, names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("x", "a path begins with /", id="no slash"),
        pytest.param("", "a path begins with /", id="empty"),
        pytest.param("/", "an empty segment .* can never match", id="only a slash"),
        pytest.param("/x/", "an empty segment .* can never match", id="a slash at the end"),
        pytest.param("/x//y", "an empty segment .* can never match", id="two slashes in a row"),
        pytest.param("/{a}/{a}", "{a} appears twice", id="a name twice"),
        pytest.param("/{a}/{a=**}", "{a} appears twice", id="a name twice, once for the rest"),
        pytest.param("/{r=**}/x", r"{r=\*\*} takes the rest of a path: it must come last", id="a rest in the middle"),
        pytest.param("/{Name}", "'{Name}' is neither {name} nor", id="an upper-case name"),
        pytest.param("/{}", "'{}' is neither {name} nor", id="no name"),
        pytest.param("/{a=*}", r"'{a=\*}' is neither {name} nor", id="one star"),
        pytest.param("/x{a}", "'x{a}' is neither {name} nor", id="a part of a segment"),
        pytest.param("/{a", "'{a' is neither {name} nor", id="an open brace"),
        pytest.param("/a}", "'a}' is neither {name} nor", id="a closing brace"),
        pytest.param("/.", r"segment '\.' has a character that no path has", id="a dot"),
        pytest.param("/..", r"segment '\.\.' has a character that no path has", id="two dots"),
        pytest.param("/a%20b", "segment 'a%20b' has a character that no path has", id="an escape"),
        pytest.param("/a b", "segment 'a b' has a character that no path has", id="a space"),
        pytest.param("/a;b", "segment 'a;b' has a character that no path has", id="a semicolon"),
        pytest.param("/a/*", "'.' is no pattern: {name} matches one segment", id="a star, which newcomers write"),
        pytest.param("/a/**", "{name=..} all that follow", id="two stars"),
        pytest.param("/a?b", "segment 'a.b' has a character that no path has", id="a query"),
        pytest.param("/a#b", "segment 'a#b' has a character that no path has", id="a fragment"),
        pytest.param("/a\\b", "has a character that no path has", id="a backslash"),
        pytest.param("/é", "has a character that no path has", id="not ASCII"),
        pytest.param("/a\n", "has a character that no path has", id="a line break at the end"),
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
