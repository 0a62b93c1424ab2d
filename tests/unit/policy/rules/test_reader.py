"""Rule files: the forms a rule may have, and all mistakes reported with file and line."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from authz.deciding.decision import Denied
from authz.deciding.reasons import Reason
from authz.deciding.rules import Rules
from authz.documents.findings import Findings
from authz.model import (
    Access,
    AllOf,
    AnyOf,
    Authenticated,
    Bound,
    ByHeader,
    Gone,
    GoneRule,
    PublicRule,
    Rule,
    TokenRule,
    TokenType,
)
from authz.policy.rules.reader import read_rules
from tests.support.examples import BACKEND, CATALOG, ISSUER, RULE, UNIT_PRIMITIVE, USER_ISSUER
from tests.support.files import shown, write
from tests.support.tables import row

GET_RULE: Final = replace(RULE, methods=("GET",))
GET_X: Final = "path: /x, methods: [GET]"
GET_A: Final = 'path: "/x/{a}", methods: [GET]'


def by_header(**demands: AllOf | AnyOf) -> ByHeader:
    return ByHeader("x-purpose", demands, frozenset(CATALOG.unit_primitives))


def granting(access: Access) -> TokenRule:
    return replace(GET_RULE, access=access)


def found(folder: Path, **files: str) -> tuple[Rules, list[str]]:
    """Read rules given as the lists under `rules:` of files for backend alpha, below /p."""
    for name, rules in files.items():
        body = "".join(f"  - {rule}\n" for rule in rules.splitlines())
        write(folder / f"{name}.yml", f"backend_service: alpha\nprefix: /p\nrules:\n{body}")
    findings = Findings()
    staging = replace(USER_ISSUER, name="second-staging", environment="staging")
    rules_read = read_rules(folder, CATALOG, findings, (ISSUER, USER_ISSUER, staging))
    return rules_read, shown(sorted(findings.problems))


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        row("one", "unit_primitives: [read]", GET_RULE),
        row("all of several, in order", "unit_primitives: [write, read]", granting(AllOf(("write", "read")))),
        row("one of several, in order", "unit_primitives: {any_of: [write, read]}", granting(AnyOf(("write", "read")))),
        row(
            "by header",
            "unit_primitives: {by_header: X-Purpose, allowed: [read, write]}",
            granting(by_header(read=AllOf(("read",)), write=AllOf(("write",)))),
        ),
        row(
            "for some token types",
            "unit_primitives: [read], token_types: [instance]",
            replace(GET_RULE, token_types=frozenset({TokenType.INSTANCE})),
        ),
        row(
            "with headers, spelt and ordered as written",
            "unit_primitives: [read], required_headers: [X-B, X-a]",
            replace(GET_RULE, required_headers=("X-B", "X-a")),
        ),
        row("public", "public: true", PublicRule(BACKEND, ("GET",))),
        row("for every valid token", "authenticated: true", granting(Authenticated())),
        row(
            "by header, what each value demands",
            "unit_primitives: {by_header: X-Purpose, values: {a: {any_of: [read, write]}, b: [read]}}",
            granting(by_header(a=AnyOf(("read", "write")), b=AllOf(("read",)))),
        ),
        row(
            "not for some issuers",
            "authenticated: true, not_issuers: [first]",
            replace(granting(Authenticated()), not_issuers=frozenset({"first"})),
        ),
        row(
            "without an authentication type",
            "unit_primitives: [read], authentication_type: optional",
            replace(GET_RULE, needs_authentication_type=False),
        ),
        row(
            "with claims, as text",
            'unit_primitives: [read], claims: {plan: [gold, "9"], kind: [x]}',
            replace(GET_RULE, claims=(("plan", frozenset({"gold", "9"})), ("kind", frozenset({"x"})))),
        ),
        row(
            "with headers that repeat claims",
            "unit_primitives: [read], bind: {X-Project-Id: project_id}",
            replace(GET_RULE, bind=(Bound("x-project-id", "X-Project-Id", "project_id"),)),
        ),
        row(
            "with words of its own",
            'unit_primitives: [read], denied: "No {unit_primitive}"',
            replace(GET_RULE, denied="No {unit_primitive}"),
        ),
        row(
            "that ends",
            "unit_primitives: [read], gone: 2026-04-29",
            replace(GET_RULE, gone=Gone(1_777_420_800.0, "This endpoint was removed on 2026-04-29")),
        ),
        row(
            "that has ended",
            "gone: 2026-04-29 12:00:00 UTC",
            GoneRule(BACKEND, ("GET",), Gone(1_777_464_000.0, "This endpoint was removed on 2026-04-29")),
        ),
        row(
            "that is tried",
            "unit_primitives: [write], shadow: true, instead_of: {unit_primitives: [read]}",
            replace(GET_RULE, shadow=granting(AllOf(("write",)))),
        ),
        row(
            "that is tried in place of a public one",
            "authenticated: true, shadow: true, instead_of: {public: true}",
            PublicRule(BACKEND, ("GET",), shadow=granting(Authenticated())),
        ),
    ],
)
def test_a_rule_has_one_of_these_forms(tmp_path: Path, entry: str, rule: Rule) -> None:
    rules, problems = found(tmp_path, a=f"{{path: /x, methods: [GET], {entry}}}")
    assert problems == []
    assert rules.match("GET", "/p/x") == rule


def test_a_value_of_the_path_chooses_demands_and_words(tmp_path: Path) -> None:
    rules, problems = found(
        tmp_path,
        a='{path: "/x/{a=**}", methods: [GET], unit_primitives: {by_path: a, values: {b: {any_of: [write, read]}, '
        "c/d: [read]}}, denied: \"No '{value}' for you\", unknown: \"No '{value}' here\"}",
    )
    assert problems == []
    assert rules.match("GET", "/p/x/b") == replace(granting(AnyOf(("write", "read"))), denied="No 'b' for you")
    assert rules.match("GET", "/p/x/c/d") == replace(GET_RULE, denied="No 'c/d' for you")
    assert rules.match("GET", "/p/x/e/f") == Denied(Reason.NO_RULE, text="No 'e/f' here")
    assert rules.match("GET", "/p/x/%22") == Denied(Reason.NO_RULE)


def test_each_value_of_a_tried_rule_is_tried(tmp_path: Path) -> None:
    rules, problems = found(
        tmp_path,
        a=f"{{{GET_A}, unit_primitives: {{by_path: a, values: {{b: [write], c: [read]}}}}, shadow: true, instead_of: "
        "{unit_primitives: {by_path: a, values: {c: [read], b: [read]}}}}",
    )
    assert problems == []
    assert rules.match("GET", "/p/x/b") == replace(GET_RULE, shadow=granting(AllOf(("write",))))
    assert rules.match("GET", "/p/x/c") == replace(GET_RULE, shadow=GET_RULE)


def test_what_a_tried_rule_does_not_repeat_below_instead_of_is_a_warning(tmp_path: Path) -> None:
    write(
        tmp_path / "a.yml",
        "backend_service: alpha\nprefix: /p\nrules:\n"
        "  - {path: /x, methods: [GET], unit_primitives: [read], denied: 'No', deadline: token, token_types: [user],\n"
        "     shadow: true, instead_of: {unit_primitives: [write], deadline: token}}\n",
    )
    findings = Findings()
    read_rules(tmp_path, CATALOG, findings)
    assert findings.problems == []
    message = "instead_of has no token_types, denied: while the rule is tried they do not apply"
    assert shown(findings.warnings) == [f"a.yml:5: {message}"]


def test_the_claims_that_rules_name_are_known(tmp_path: Path) -> None:
    rules, problems = found(
        tmp_path,
        a=f"{{{GET_X}, authenticated: true, claims: {{one: [x]}}, shadow: true, instead_of: "
        "{authenticated: true, bind: {X-Two: two}}}",
        b=f"{{{GET_A}, unit_primitives: {{by_path: a, values: {{b: [read]}}}}, claims: {{three: [x]}}}}",
    )
    assert problems == []
    assert rules.claims == {"one", "two", "three"}


def test_the_words_of_a_path_choose(tmp_path: Path) -> None:
    rules, problems = found(
        tmp_path,
        a="""{path: "/x/{a}", methods: [GET], unit_primitives: {by_path: a, values: {one: [read], two: [read, write]}}}
{path: "/y/{r=**}", methods: [GET], unit_primitives: {by_path: r, values: {one/two: [read]}}}""",
    )
    assert problems == []
    assert rules.match("GET", "/p/x/two") == granting(AllOf(("read", "write")))
    assert rules.match("GET", "/p/x/three") == Denied(Reason.NO_RULE)
    assert isinstance(rules.match("GET", "/p/y/one/two"), TokenRule)
    assert rules.match("GET", "/p/y/one") == Denied(Reason.NO_RULE)


def test_a_rule_answers_each_of_its_methods(tmp_path: Path) -> None:
    rules, _ = found(tmp_path, a="{path: /x, methods: [GET, PUT], public: true}")
    assert rules.match("GET", "/p/x") == rules.match("PUT", "/p/x") == PublicRule(BACKEND, ("GET", "PUT"))


def test_one_path_may_have_a_rule_for_each_method(tmp_path: Path) -> None:
    rules, problems = found(
        tmp_path, a="{path: /x, methods: [GET], public: true}", b="{path: /x, methods: [POST], unit_primitives: [read]}"
    )
    assert problems == []
    assert isinstance(rules.match("GET", "/p/x"), PublicRule)
    assert isinstance(rules.match("POST", "/p/x"), TokenRule)


MISTAKES: Final = {
    "no path": ("methods: [GET], public: true", "key 'path' is missing in rules[0]"),
    "no methods": ("path: /x, public: true", "key 'methods' is missing in rules[0]"),
    "an empty list of methods": ("path: /x, methods: [], public: true", "rules[0].methods: "),
    "a method in lower case": (
        "path: /x, methods: [get], public: true",
        "should be 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE' or 'OPTIONS', not 'get'",
    ),
    "a method that HTTP does not have": (
        "path: /x, methods: [POSTT], public: true",
        "should be 'GET', 'HEAD', 'POST', ",
    ),
    "a star, which newcomers write": ("path: /x/*, methods: [GET], public: true", "{name=**} all that follow"),
    "a form that is nearly one": (
        f"{GET_X}, unit_primitives: {{any_off: [read]}}",
        "should be a list, or have one of any_of, by_path, by_header; did you mean 'any_of'?",
    ),
    "one method, no list": ("path: /x, methods: GET, public: true", "should be a list, not 'GET'"),
    "a method twice": ("path: /x, methods: [GET, GET], public: true", "'GET' appears twice"),
    "a relative path": ("path: x, methods: [GET], public: true", "path 'x': a path begins with /"),
    "a trailing slash": ("path: /x/, methods: [GET], public: true", "path '/x/': an empty segment"),
    "nobody said who may pass": (
        "path: /x, methods: [GET]",
        "key 'unit_primitives' is missing; to accept every valid token write 'authenticated: true', "
        "to require no token 'public: true'",
    ),
    "not public": (f"{GET_X}, public: false, unit_primitives: [read]", "public: should be True, not False"),
    "public by another word": (f"{GET_X}, public: 'yes'", "public: should be True, not 'yes'"),
    **{
        f"public, and {more}": (f"{GET_X}, public: true, {more}", "a public rule does not read the token: remove ")
        for more in ("unit_primitives: [read]", "token_types: [user]", "required_headers: [X-A]")
    },
    **{
        f"public, and {key}": (f"{GET_X}, public: true, {key}: {value}", f"remove {key}")
        for key, value in (
            ("authenticated", "true"),
            ("not_issuers", "[first]"),
            ("authentication_type", "optional"),
            ("claims", "{a: [b]}"),
            ("bind", "{X-A: b}"),
            ("denied", "'No'"),
        )
    },
    "for everybody with a token and with a scope": (
        f"{GET_X}, authenticated: true, unit_primitives: [read]",
        "has both 'authenticated' (no scope is needed) and 'unit_primitives': remove one",
    ),
    "not for everybody with a token": (f"{GET_X}, authenticated: false", "authenticated: should be True, not False"),
    "an authentication type of one's own": (
        f"{GET_X}, authenticated: true, authentication_type: basic",
        "authentication_type: should be 'optional', not 'basic'",
    ),
    "an issuer that is none": (
        f"{GET_X}, authenticated: true, not_issuers: [frist]",
        "issuer 'frist' is not in issuers.yml; did you mean 'first'?",
    ),
    "an issuer in one environment alone": (
        f"{GET_X}, authenticated: true, not_issuers: [second]",
        "'second-staging' is the same issuer in another environment: list it too",
    ),
    "an issuer twice": (
        f"{GET_X}, authenticated: true, not_issuers: [first, first]",
        "'first' appears twice",
    ),
    "a claim that every token is checked for": (
        f"{GET_X}, authenticated: true, claims: {{scopes: [read]}}",
        "claim 'scopes' cannot be named here: every token is checked for it",
    ),
    "a claim without values": (f"{GET_X}, authenticated: true, claims: {{plan: []}}", "claims.plan: "),
    "a claim that is a number": (
        f"{GET_X}, authenticated: true, claims: {{plan: [9]}}",
        "claims.plan[0]: should be text (put it in quotes), not 9",
    ),
    "a claim's name with spaces": (f"{GET_X}, authenticated: true, claims: {{'a b': [c]}}", "claims.a b"),
    "a bound header that holds a secret": (
        f"{GET_X}, authenticated: true, bind: {{X-Gitlab-OAuth-Token: a}}",
        "'X-Gitlab-OAuth-Token' cannot be named here: it holds a secret, which authz must not see",
    ),
    "a required header that holds a secret": (
        f"{GET_X}, authenticated: true, required_headers: [Authorization]",
        "'Authorization' cannot be named here",
    ),
    "a bound header twice": (
        f"{GET_X}, authenticated: true, bind: {{X-A: a, x-a: b}}",
        "'x-a' appears twice",
    ),
    "words with a brace that means nothing": (
        f"{GET_X}, unit_primitives: [read], denied: 'No {{thing}}'",
        "denied: should have no braces except {unit_primitive} and {value}",
    ),
    "words that no header can hold": (
        f"{GET_X}, unit_primitives: [read], denied: 'Nö'",
        "denied: ",
    ),
    "words with an escape": (f"{GET_X}, unit_primitives: [read], denied: '100 %'", "denied: "),
    "words that name what nobody demands": (
        f"{GET_X}, authenticated: true, denied: 'No {{unit_primitive}}'",
        "this rule requires no unit primitive: remove {unit_primitive} from 'denied'",
    ),
    "words for a value without values": (
        f"{GET_X}, unit_primitives: [read], denied: 'No {{value}}'",
        "'unknown' and {value} are for rules with by_path: remove them",
    ),
    "words for an unknown value without values": (
        f"{GET_X}, unit_primitives: [read], unknown: 'No'",
        "'unknown' and {value} are for rules with by_path: remove them",
    ),
    "gone, and more": (
        f"{GET_X}, gone: 2026-04-29, denied: 'No'",
        "a rule that does not say who may use the endpoint can have only path, methods and gone",
    ),
    "gone on no day": (f"{GET_X}, gone: soon", "gone: should be a date such as 2024-10-17 00:00:00 UTC"),
    "tried in place of nothing": (
        f"{GET_X}, unit_primitives: [read], shadow: true",
        "'shadow: true' and 'instead_of' need each other",
    ),
    "in place of another, but not tried": (
        f"{GET_X}, unit_primitives: [read], instead_of: {{public: true}}",
        "'shadow: true' and 'instead_of' need each other",
    ),
    "tried in place of a rule for nobody": (
        f"{GET_X}, unit_primitives: [read], shadow: true, instead_of: {{denied: 'No'}}",
        "instead_of should say who may use it: unit_primitives, authenticated or public",
    ),
    "tried in place of other values": (
        f"{GET_A}, unit_primitives: {{by_path: a, values: {{b: [read]}}}}, shadow: true, "
        "instead_of: {unit_primitives: {by_path: a, values: {b: [read], c: [read]}}}",
        "the rule and its instead_of should list the same values under by_path, or have none",
    ),
    "an unknown name in place of which a rule is tried": (
        f"{GET_X}, unit_primitives: [read], shadow: true, instead_of: {{unit_primitives: [reed]}}",
        "unit primitive 'reed' is not in the catalog",
    ),
    "by header, allowed and values": (
        f"{GET_X}, unit_primitives: {{by_header: X-A, allowed: [read], values: {{read: [read]}}}}",
        "should have either 'allowed' (unit primitives) or 'values' (what each value requires)",
    ),
    "of nothing": (f"{GET_X}, unit_primitives: []", "rules[0].unit_primitives: "),
    "no list": (f"{GET_X}, unit_primitives: read", "rules[0].unit_primitives: should be a list, not 'read'"),
    "an unknown form": (f"{GET_X}, unit_primitives: {{all_of: [read]}}", "rules[0].unit_primitives: "),
    "an unknown key in a form": (f"{GET_X}, unit_primitives: {{any_of: [read], or: []}}", "unknown key 'or'"),
    "any of nothing": (f"{GET_X}, unit_primitives: {{any_of: []}}", "unit_primitives.any_of: "),
    "by header, nothing allowed": (
        f"{GET_X}, unit_primitives: {{by_header: X-A, allowed: []}}",
        "unit_primitives.allowed: ",
    ),
    "by header, allowed left out": (
        f"{GET_X}, unit_primitives: {{by_header: X-A}}",
        "should have either 'allowed' (unit primitives) or 'values' (what each value requires)",
    ),
    "a purpose that no header can hold": (
        f"{GET_X}, unit_primitives: {{by_header: 'X A', allowed: [read]}}",
        "unit_primitives.by_header: ",
    ),
    "by path, no values": (f"{GET_A}, unit_primitives: {{by_path: a, values: {{}}}}", "unit_primitives.values: "),
    "by path, a value of nothing": (
        f"{GET_A}, unit_primitives: {{by_path: a, values: {{b: []}}}}",
        "unit_primitives.values.b: ",
    ),
    "by a name that the path lacks": (
        f"{GET_A}, unit_primitives: {{by_path: b, values: {{c: [read]}}}}",
        "by_path 'b' is not a {b} of the path",
    ),
    "two segments for a name of one": (
        f"{GET_A}, unit_primitives: {{by_path: a, values: {{b/c: [read]}}}}",
        "value 'b/c' can never match {a}",
    ),
    **{
        f"a value that no path has: {value!r}": (
            f'path: "/x/{{a=**}}", methods: [GET], unit_primitives: {{by_path: a, values: {{"{value}": [read]}}}}',
            f"value '{value}' can never match {{a}}",
        )
        for value in ("", "/b", "b/", "b//c", ".", "b/..")
    },
    "an unknown name": (f"{GET_X}, unit_primitives: [reed]", "unit primitive 'reed' is not in the catalog"),
    **{
        f"an unknown name in {form}": (
            f"{GET_A}, unit_primitives: {form}",
            "unit primitive 'reed' is not in the catalog",
        )
        for form in (
            "{any_of: [read, reed]}",
            "{by_header: X-A, allowed: [reed]}",
            "{by_path: a, values: {b: [reed]}}",
        )
    },
    "a name twice": (f"{GET_X}, unit_primitives: [read, read]", "'read' appears twice"),
    "a name twice among any_of": (f"{GET_X}, unit_primitives: {{any_of: [read, read]}}", "'read' appears twice"),
    "for no token type": (f"{GET_X}, unit_primitives: [read], token_types: []", "token_types: "),
    "an unknown token type": (
        f"{GET_X}, unit_primitives: [read], token_types: [both]",
        "should be 'instance' or 'user', not 'both'",
    ),
    "an empty list of headers": (f"{GET_X}, unit_primitives: [read], required_headers: []", "required_headers: "),
    "a header that no request has": (
        f"{GET_X}, unit_primitives: [read], required_headers: ['X A']",
        "required_headers[0]: ",
    ),
    "a header twice, by two spellings": (
        f"{GET_X}, unit_primitives: [read], required_headers: [X-A, x-a]",
        "'x-a' appears twice",
    ),
    "a typo": (f"{GET_X}, unit_primitive: [read], public: true", "'unit_primitive'; did you mean 'unit_primitives'?"),
}


@pytest.mark.parametrize(("rule", "problem"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_rule_that_makes_no_sense_is_refused(tmp_path: Path, rule: str, problem: str) -> None:
    _, problems = found(tmp_path, a=f"{{{rule}}}")
    assert len(problems) == 1, problems
    assert problems[0].startswith("a.yml:4: ")
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "backend_service: gamma\nprefix: /p\n",
            "f.yml:1: backend service 'gamma' is not in the catalog",
            id="an unknown backend",
        ),
        pytest.param(
            "backend_service: alpha\nprefix: p\n", "f.yml:2: prefix 'p': a path begins with /", id="a relative prefix"
        ),
        pytest.param(
            "backend_service: alpha\nprefix: /p/\n",
            "f.yml:2: prefix '/p/': an empty segment (a slash at the end, or two in a row) can never match",
            id="a prefix with a slash at the end",
        ),
        pytest.param("prefix: /p\n", "f.yml:1: key 'backend_service' is missing", id="no backend"),
        pytest.param("backend_service: alpha\n", "f.yml:1: key 'prefix' is missing", id="no prefix"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    write(tmp_path / "f.yml", text + "rules:\n  - {path: /x, methods: [GET], public: true}\n")
    findings = Findings()
    read_rules(tmp_path, CATALOG, findings)
    assert shown(findings.problems) == [problem]


def test_a_file_without_rules_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "f.yml", "backend_service: alpha\nprefix: /p\nrules: []\n")
    findings = Findings()
    read_rules(tmp_path, CATALOG, findings)
    assert [problem.line for problem in findings.problems] == [3]


@pytest.mark.parametrize("made", [True, False], ids=["empty", "absent"])
def test_a_policy_without_rules_is_refused(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "rules"
    if made:
        folder.mkdir()
    findings = Findings()
    read_rules(folder, CATALOG, findings)
    assert shown(findings.problems) == ["rules:0: has no rules: every request would be refused"]


def test_a_prefix_may_be_the_root(tmp_path: Path) -> None:
    write(
        tmp_path / "f.yml", "backend_service: alpha\nprefix: /\nrules:\n  - {path: /x, methods: [GET], public: true}\n"
    )
    findings = Findings()
    rules = read_rules(tmp_path, CATALOG, findings)
    assert findings.problems == []
    assert isinstance(rules.match("GET", "/x"), PublicRule)


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    write(
        tmp_path / "c.yml", "backend_service: gamma\nprefix: c\nrules:\n  - {path: y, methods: [GET], public: true}\n"
    )
    _, problems = found(
        tmp_path,
        a="{path: /x, methods: [get], public: true}\n{path: /y, methods: [GET]}",
        b="{path: y, methods: [GET], unit_primitives: [reed]}\n"
        "{path: /z, methods: [GET, GET], unit_primitives: [wright]}",
    )
    assert problems == [
        "a.yml:4: rules[0].methods[0]: "
        "should be 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE' or 'OPTIONS', not 'get'",
        "a.yml:5: rules[1]: key 'unit_primitives' is missing; to accept every valid token write 'authenticated: true', "
        "to require no token 'public: true'",
        "b.yml:4: path 'y': a path begins with /",
        "b.yml:4: unit primitive 'reed' is not in the catalog",
        "b.yml:5: 'GET' appears twice",
        "b.yml:5: unit primitive 'wright' is not in the catalog",
        "c.yml:1: backend service 'gamma' is not in the catalog",
        "c.yml:2: prefix 'c': a path begins with /",
        "c.yml:4: path 'y': a path begins with /",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            "{path: /x, methods: [GET], public: true}",
            "{path: /x, methods: [GET], unit_primitives: [read]}",
            id="the same path",
        ),
        pytest.param(
            '{path: "/{a}", methods: [GET], public: true}',
            '{path: "/{b}", methods: [POST, GET], public: true}',
            id="free segments of different names",
        ),
        pytest.param(
            '{path: "/{a=**}", methods: [GET], public: true}',
            '{path: "/{b=**}", methods: [GET], public: true}',
            id="rests of different names",
        ),
        pytest.param(
            '{path: "/{a}", methods: [GET], public: true}',
            '{path: "/{b}", methods: [GET], unit_primitives: {by_path: b, values: {c: [read]}}}',
            id="a choice of the path and a plain rule",
        ),
    ],
)
def test_two_rules_of_equal_strength_for_one_method_clash(tmp_path: Path, first: str, second: str) -> None:
    _, problems = found(tmp_path, a=first, b=second)
    assert problems == ["b.yml:4: GET on this path has two rules that are equally specific; the other is a.yml:4"]


def test_a_rule_clashes_with_a_later_one_of_its_own_file(tmp_path: Path) -> None:
    rule = "{path: /x, methods: [GET], public: true}"
    _, problems = found(tmp_path, a=f"{rule}\n{rule}")
    assert problems == ["a.yml:5: GET on this path has two rules that are equally specific; the other is a.yml:4"]


def test_two_backends_cannot_share_a_path_whatever_their_methods(tmp_path: Path) -> None:
    write(
        tmp_path / "b.yml", "backend_service: beta\nprefix: /p\nrules:\n  - {path: /x, methods: [PUT], public: true}\n"
    )
    _, problems = found(tmp_path, a="{path: /x, methods: [GET], public: true}")
    assert problems == ["b.yml:4: two backend services would share this path; the other is a.yml:4"]


def test_rules_of_different_strength_do_not_clash(tmp_path: Path) -> None:
    _, problems = found(
        tmp_path,
        a="""{path: /x/y, methods: [GET], public: true}
{path: "/x/{a}", methods: [GET], public: true}
{path: "/{a}/y", methods: [GET], public: true}
{path: "/x/{r=**}", methods: [GET], public: true}
{path: "/{a}/{r=**}", methods: [GET], public: true}
{path: /x, methods: [GET], public: true}""",
    )
    assert problems == []


def test_a_rule_demands_what_tokens_for_its_backend_can_hold(tmp_path: Path) -> None:
    write(
        tmp_path / "b.yml",
        """
        backend_service: beta
        prefix: /b
        rules:
          - {path: /x, methods: [GET], unit_primitives: [read]}
          - {path: /y, methods: [GET], unit_primitives: {any_of: [everywhere, write]}}
        """,
    )
    units = {**CATALOG.unit_primitives, "everywhere": replace(UNIT_PRIMITIVE, name="everywhere", backend_services=())}
    findings = Findings()
    read_rules(tmp_path, replace(CATALOG, unit_primitives=units), findings)
    assert shown(findings.problems) == [
        "b.yml:4: no token for this backend can carry 'read': its backend_services are alpha",
        "b.yml:5: no token for this backend can carry 'write': its backend_services are alpha",
    ]


def test_a_backend_that_is_unknown_is_reported_once_and_not_by_each_rule(tmp_path: Path) -> None:
    write(
        tmp_path / "g.yml",
        """
        backend_service: gamma
        prefix: /g
        rules:
          - {path: /x, methods: [GET], unit_primitives: [read]}
        """,
    )
    findings = Findings()
    read_rules(tmp_path, CATALOG, findings)
    assert shown(findings.problems) == ["g.yml:1: backend service 'gamma' is not in the catalog"]
