"""The tree of rules: the most specific complete path wins, compared from left to right."""

import pytest

from authz.deciding.decision import Denied
from authz.deciding.reasons import Reason
from authz.deciding.rules import Choice, Endpoint, Rules
from authz.model import PublicRule
from authz.policy.rules.templates import parse_template
from authz.policy.rules.tree import build_rules
from tests.support.examples import BACKEND


def tree(*paths: str, methods: tuple[str, ...] = ("GET",)) -> Rules:
    """Return a tree whose rules answer GET and carry their own path in place of methods."""
    return build_rules(
        (parse_template((), path)[0], Endpoint(BACKEND, dict.fromkeys(methods, PublicRule(BACKEND, (path,))), ()))
        for path in paths
    )


def winner(rules: Rules, target: str, method: str = "GET") -> str:
    """Return the path of the rule that answers, or the reason why none does."""
    rule = rules.match(method, target)
    return rule.reason.value if isinstance(rule, Denied) else rule.methods[0]


EVERY = ("/a", "/a/b", "/a/{x}", "/{x}/b", "/a/{r=**}", "/{r=**}", "/a/{x}/c", "/a/b/{x}/d", "/{x}/b/c/{r=**}")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param("/a", "/a", id="a literal beats a rest"),
        pytest.param("/a/b", "/a/b", id="a literal beats a free segment"),
        pytest.param("/a/z", "/a/{x}", id="a free segment beats a rest"),
        pytest.param("/a/z/z", "/a/{r=**}", id="a rest takes what nothing else does"),
        pytest.param("/z/b", "/{x}/b", id="a literal after a free segment"),
        pytest.param("/z", "/{r=**}", id="the rest at the root"),
        pytest.param("/z/z", "/{r=**}", id="the rest at the root takes several"),
        pytest.param("/a/b/c", "/a/{x}/c", id="a literal branch without an end is left for the free one"),
        pytest.param("/a/b/z/d", "/a/b/{x}/d", id="the literal branch, where it ends"),
        pytest.param("/a/b/z/z", "/a/{r=**}", id="two branches are left, for the nearest rest"),
        pytest.param("/z/b/c/d", "/{x}/b/c/{r=**}", id="a rest behind a free segment"),
        pytest.param("/z/b/c", "/{r=**}", id="a rest needs a segment, so an outer one takes it"),
        pytest.param("/a/b/c/d", "/a/b/{x}/d", id="compared from the left: literals first"),
    ],
)
def test_the_most_specific_complete_path_wins(target: str, path: str) -> None:
    assert winner(tree(*EVERY), target) == path


def test_the_order_of_the_files_decides_nothing() -> None:
    targets = ["/a", "/a/b", "/a/z", "/a/z/z", "/z/b", "/a/b/c", "/a/b/z/d", "/z/b/c/d"]
    forwards, backwards = tree(*EVERY), tree(*reversed(EVERY))
    assert [winner(forwards, target) for target in targets] == [winner(backwards, target) for target in targets]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param("/a", Reason.NO_RULE, id="a rest needs one segment"),
        pytest.param("/a/", Reason.NO_RULE, id="an empty segment is none"),
        pytest.param("/a/x/", Reason.NO_RULE, id="a slash at the end of what a rest would take"),
        pytest.param("/b/", Reason.NO_RULE, id="a slash at the end of what a free segment would take"),
        pytest.param("/", Reason.NO_RULE, id="the root"),
        pytest.param("/A/x", Reason.NO_RULE, id="another case"),
        pytest.param("/a//x", Reason.AMBIGUOUS_PATH, id="an empty segment in the middle"),
        pytest.param("", Reason.AMBIGUOUS_PATH, id="no path"),
        pytest.param("*", Reason.AMBIGUOUS_PATH, id="the asterisk of OPTIONS"),
    ],
)
def test_what_no_path_covers_is_refused(target: str, reason: Reason) -> None:
    assert tree("/a/{r=**}", "/b/{x}").match("GET", target) == Denied(reason)


def test_an_empty_tree_serves_nothing() -> None:
    assert build_rules([]).match("GET", "/") == build_rules([]).match("GET", "/a") == Denied(Reason.NO_RULE)


def test_segments_are_compared_decoded() -> None:
    assert winner(tree("/a/b"), "/%61/b?x=/c") == "/a/b"


def test_the_winner_does_not_fall_through_on_method() -> None:
    rules = build_rules(
        (parse_template((), path)[0], Endpoint(BACKEND, {method: PublicRule(BACKEND, (path,))}, ()))
        for path, method in (("/a/b", "POST"), ("/a/{x}", "GET"), ("/{r=**}", "GET"))
    )
    assert rules.match("GET", "/a/b") == Denied(Reason.METHOD_NOT_ALLOWED, backend_service="alpha", methods=("POST",))
    assert rules.match("POST", "/a/c") == Denied(Reason.METHOD_NOT_ALLOWED, backend_service="alpha", methods=("GET",))


def test_methods_are_offered_sorted_and_compared_exactly() -> None:
    rules = tree("/a", methods=("PUT", "DELETE"))
    for method in ("GET", "put", "", "PUT "):
        refusal = rules.match(method, "/a")
        assert isinstance(refusal, Denied)
        assert (refusal.reason, refusal.methods) == (Reason.METHOD_NOT_ALLOWED, ("DELETE", "PUT"))


def choosing(*choices: tuple[str, str, str]) -> Rules:
    """Return rules at `/t/{a}/{r=**}`: each choice is a method, the name that chooses, and its one value."""
    template, spans = parse_template((), "/t/{a}/{r=**}")
    made = tuple(
        Choice(BACKEND, (method,), spans[name], {value: PublicRule(BACKEND, (f"{method} {value}",))})
        for method, name, value in choices
    )
    return build_rules([(template, Endpoint(BACKEND, {"PUT": PublicRule(BACKEND, ("PUT",))}, made))])


@pytest.mark.parametrize(
    ("method", "target", "answer"),
    [
        pytest.param("GET", "/t/one/x", "GET one", id="one segment"),
        pytest.param("GET", "/t/%6Fne/x", "GET one", id="compared decoded"),
        pytest.param("POST", "/t/z/two/three", "POST two/three", id="several segments, joined"),
        pytest.param("GET", "/t/z/two/three", "method_not_allowed", id="another method chooses by another name"),
        pytest.param("PUT", "/t/z/z", "PUT", id="a rule that does not choose stays"),
        pytest.param("POST", "/t/z/z", "method_not_allowed", id="only that rule is left"),
    ],
)
def test_the_words_of_the_path_choose_among_rules(method: str, target: str, answer: str) -> None:
    assert winner(choosing(("GET", "a", "one"), ("POST", "r", "two/three")), target, method) == answer


def test_a_path_whose_words_choose_nothing_is_not_served_whatever_its_method() -> None:
    template, spans = parse_template((), "/t/{a}")
    choice = Choice(BACKEND, ("GET",), spans["a"], {"one": PublicRule(BACKEND, ("GET",))})
    rules = build_rules([(template, Endpoint(BACKEND, {}, (choice,)))])
    assert rules.match("GET", "/t/two") == rules.match("POST", "/t/two") == Denied(Reason.NO_RULE)
    assert rules.match("POST", "/t/one") == Denied(Reason.METHOD_NOT_ALLOWED, backend_service="alpha", methods=("GET",))


def test_a_choice_that_fails_does_not_fall_back_to_a_weaker_path() -> None:
    template, spans = parse_template((), "/t/{a}")
    choice = Choice(BACKEND, ("GET",), spans["a"], {"one": PublicRule(BACKEND, ("GET",))})
    weaker, _ = parse_template((), "/{r=**}")
    rules = build_rules(
        [(template, Endpoint(BACKEND, {}, (choice,))), (weaker, Endpoint(BACKEND, {"GET": choice.rules["one"]}, ()))]
    )
    assert rules.match("GET", "/t/two") == Denied(Reason.NO_RULE)


def test_a_path_of_a_thousand_segments_is_walked_without_harm() -> None:
    rules = tree("/a/{r=**}", "/{x}/{y}/{z}")
    assert winner(rules, "/a" * 1_000) == "/a/{r=**}"
