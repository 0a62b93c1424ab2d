"""A mistake in a decision table is an error with file and line, never a case that tests nothing."""

from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from tests.support.cases.difference import difference
from tests.support.cases.tables import read_cases

HEALTHY = "cases:\n  - {id: one, allow: complete_code}\n"


def refusals(folder: Path, text: str) -> list[str]:
    findings = Findings()
    (folder / "table.yaml").write_text(text)
    read_cases(folder, findings)
    return sorted({f"{problem.file.name}:{problem.line}: {problem.message}" for problem in findings.problems})


def test_a_table_without_a_mistake_is_read(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(HEALTHY)
    findings = Findings()
    [case] = read_cases(tmp_path, findings)
    assert findings.problems == []
    assert (case.name, case.row.allow) == ("table: one", "complete_code")
    assert str(case) == f"{tmp_path}/table.yaml:2: case 'one'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEALTHY + "  - {id: two, alow: complete_code}\n", "3: unknown key 'alow'; did you mean 'allow'?"),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {scope: [x]}}\n", "3: unknown key 'scope'"),
        (HEALTHY + "  - {id: two}\n", "3: case 'two': says neither 'allow' nor 'deny'"),
        (HEALTHY + "  - {id: two, allow: public, deny: no_rule}\n", "3: "),
        (HEALTHY + "  - {id: two, allow: complete_cod}\n", "3: case 'two': unknown unit primitive 'complete_cod': "),
        (HEALTHY + "  - {id: two, allow: 'duo_chat,x'}\n", "3: case 'two': unknown unit primitive 'x': "),
        (HEALTHY + "  - {id: two, allow: ''}\n", "3: case 'two': unknown unit primitive '': "),
        (HEALTHY + "  - {id: one, deny: no_rule}\n", "3: case 'one': appears twice, first on line 2"),
        (HEALTHY + "  - {id: two, deny: no_rules}\n", "3: case 'two': reason 'no_rules' is not in reasons.yaml"),
        (HEALTHY + "  - {id: two, deny: invalid_token}\n", "'token_error' belong together"),
        (HEALTHY + "  - {id: two, deny: no_rule, token_error: expired}\n", "'token_error' belong together"),
        (HEALTHY + "  - {id: two, deny: invalid_token, token_error: x}\n", "token error 'x' is not in reasons.yaml"),
        (HEALTHY + "  - {id: two, deny: missing_scope}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, deny: no_rule, names: x}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, allow: complete_code, names: x}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, allow: public, reply: {x: y}}\n", "an allowed request has none"),
        (HEALTHY + "  - {id: two, deny: no_rule, request_headers: {x: y}}\n", "a refused request has none"),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {without: [subj]}}\n", "3: "),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {times: {expiry: 1}}}\n", "3: "),
        (
            HEALTHY + "  - id: two\n    allow: public\n    token:\n      issuer: x\n",
            "6: case 'two': issuer 'x' is not in ",
        ),
        (
            HEALTHY + "  - {id: two, allow: public, token: {issuer: x}}\n",
            "authz/data/issuers.yml; there are: ai-gateway, ",
        ),
        (
            HEALTHY + "  - {id: two, allow: public, token: {issuer: ec}}\n",
            "authz/data/issuers.yml; 'policy: lab' has it",
        ),
        (
            HEALTHY + "  - {id: two, allow: public, policy: lab, token: {issuer: x}}\n",
            "tests/cases/lab/issuers.yml; there are: binding, ",
        ),
        (HEALTHY + "  - {id: two, request: /ai, deny: no_rule}\n", "3: "),
        (HEALTHY + "  - {id: two, id: three, deny: no_rule}\n", "3: key 'id' appears twice"),
        ("endpoints:\n  - {request: GET /x}\n", "2: endpoints[0]: say what the endpoint 'needs'"),
        ("endpoints:\n  - {request: GET /x, needs: duo_chats}\n", "2: unknown unit primitive 'duo_chats': "),
        (
            "endpoints:\n" + 2 * "  - {request: GET /x, needs: duo_chat}\n",
            "3: appears twice, first on line 2",
        ),
        ("defaults: {deny: no_rule}\n", "holds 'cases' or 'endpoints'"),
        ("", "is empty"),
    ],
)
def test_a_mistake_is_named_once(text: str, said: str, tmp_path: Path) -> None:
    [refusal] = refusals(tmp_path, text)
    assert said in refusal


METADATA: Final = {"outcome": "allowed", "reason": "allowed", "unit_primitive": "duo_chat", "tier": "small"}
GOT: Final = {
    "http": None,
    "code": "OK",
    "body": None,
    "reply": {},
    "token_error": None,
    "metadata": METADATA,
}
DENIED: Final = {
    "http": 403,
    "code": "PERMISSION_DENIED",
    "body": {"error": "Unauthorized to access duo_chat"},
    "reply": {},
    "token_error": None,
    "metadata": {"outcome": "denied", "reason": "missing_scope"},
}


def test_equal_answers_do_not_differ() -> None:
    assert difference(GOT, dict(GOT)) == ""


def test_a_refusal_instead_of_an_allow_is_reported_in_one_line() -> None:
    assert difference(GOT, DENIED) == (
        'expected allow duo_chat; got deny missing_scope (403, "Unauthorized to access duo_chat")'
    )


def test_another_reason_is_said_first_and_then_each_field_that_differs() -> None:
    other = {**DENIED, "http": 404, "body": {}, "token_error": "expired", "metadata": {"reason": "invalid_token"}}
    assert difference(DENIED, other).splitlines() == [
        'expected deny missing_scope; got deny invalid_token expired (404, "None")',
        "  http: expected 403, got 404",
        "  body.error: expected 'Unauthorized to access duo_chat', got nothing",
        "  metadata.outcome: expected 'denied', got nothing",
        "  metadata.reason: expected 'missing_scope', got 'invalid_token'",
        "  token_error: expected nothing, got 'expired'",
    ]


def test_a_different_detail_is_reported_as_one_line() -> None:
    other = {**GOT, "metadata": {**METADATA, "tier": "medium"}}
    assert difference(GOT, other).splitlines() == [
        "allow duo_chat, as expected, but not with these details",
        "  metadata.tier: expected 'small', got 'medium'",
    ]


def test_an_answer_that_differs_in_what_says_nothing_differs() -> None:
    assert difference(GOT, {**GOT, "body": {}}).splitlines()[1].startswith("  expected {")
