"""Every row of the entitlement table, through the one function that decides it."""

from pathlib import Path

import pytest

from authz.documents.findings import Findings
from authz.policy.catalog.entitlement import Lack, entitled_scopes, lacks
from tests.support.cases.entitlement import CASES, FILE, Case, read_cases


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_customer_lacks_what_the_table_says(case: Case) -> None:
    [unit] = case.catalog.unit_primitives.values()
    found = lacks(unit, case.customer, case.catalog, case.now)
    if found != case.lacks:
        expected, got = (", ".join(names) or "nothing" for names in (case.lacks, found))
        pytest.fail(f"{case}: expected lacks {expected}; got {got}", pytrace=False)
    assert entitled_scopes(case.catalog, "ai_gateway", case.customer, case.now) == (() if case.lacks else (unit.name,))


def test_everything_that_can_be_lacking_has_a_case() -> None:
    assert {lack for case in CASES for lack in case.lacks} == set(Lack)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{id: one, customer: {add_on: []}}", "case 'one': unknown key 'add_on' in customer"),
        ("{id: one, operator: {add_on: []}}", "case 'one': unknown key 'add_on' in operator"),
        ("{id: one, unit_primitive: {add_on: []}}", "case 'one': unknown key 'add_on' in unit_primitive"),
        ("{id: one, lacks: [add_ons]}", "case 'one': 'add_ons' is not a valid Lack"),
        ("{id: one, customer: {gitlab_version: x}}", "case 'one': should be a GitLab version such as '17.8'"),
        ("{id: one, unit_primitive: {add_ons: 1}}", "case 'one': add_ons"),
        ("{id: whoever has everything is entitled}", "appears twice, first on line "),
        ("{id: one, lack: [add_on]}", "unknown key 'lack'; did you mean 'lacks'?"),
    ],
)
def test_a_mistake_is_named_with_its_line(row: str, said: str, tmp_path: Path) -> None:
    file, findings = tmp_path / "entitlement.yaml", Findings()
    text = f"{FILE.read_text().rstrip()}\n  - {row}\n"
    file.write_text(text)
    read_cases(file, findings)
    assert {(problem.file, problem.line) for problem in findings.problems} == {(file, text.count("\n"))}
    assert any(said in problem.message for problem in findings.problems)
