"""The page on the policy shows rules that load, keys that exist and answers that the service gives."""

import re
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from authz.deciding.reasons import ANSWERS, Reason
from authz.documents.findings import Findings
from authz.policy.catalog.reader import read_catalog
from authz.policy.issuers import IssuerEntry, read_issuers
from authz.policy.rules.reader import read_rules
from authz.policy.rules.schema import AccessEntry, RuleEntry
from authz.policy.tiers import AssignEntry, read_tiers
from tests.support.repository import PACKAGED_POLICY, ROOT

PAGE: Final = (ROOT / "docs" / "policy.md").read_text("utf-8")
FORMS: Final = PAGE.partition("## Choose the form of a rule")[2].partition("## Write a case")[0]
BACKENDS: Final = {"/ListTools": "duo_workflow_service", "/GenerateToken": "duo_workflow_service"} | {
    "/ExecuteWorkflow": "duo_workflow_service",
    "/scan": "sast",
}
TIERS: Final = "default: any\ntiers: [{name: large, min_seats: 1000}]\n"


def blocks(start: str) -> list[str]:
    """Return the examples whose first line begins so, without their indentation."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```$", FORMS, re.MULTILINE | re.DOTALL)
    shown = [re.sub(f"^{space}", "", text, flags=re.MULTILINE) for space, text in found]
    return [text for text in shown if text.startswith(start)]


RULES: Final = blocks("- path: ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.splitlines()[0])
def test_an_example_of_a_rule_can_be_loaded(tmp_path: Path, rule: str) -> None:
    path = rule.splitlines()[0].removeprefix("- path: ")
    file = tmp_path / "example.yml"
    file.write_text(f"backend_service: {BACKENDS.get(path, 'ai_gateway')}\nprefix: /x\nrules:\n{rule}", "utf-8")
    findings = Findings()
    catalog = read_catalog(PACKAGED_POLICY, findings)
    read_rules(tmp_path, catalog, findings, read_issuers(PACKAGED_POLICY / "issuers.yml", catalog, findings))
    assert findings.problems == []


def test_the_example_of_tiers_can_be_loaded(tmp_path: Path) -> None:
    (assign,) = blocks("assign:")
    file = tmp_path / "tiers.yml"
    file.write_text(TIERS + assign, "utf-8")
    findings = Findings()
    assert len(read_tiers(file, findings).assign) == assign.count("tier: ")
    assert findings.problems == []


def test_a_refusal_has_the_status_of_its_reason() -> None:
    told = re.findall(r"\b([1-5]\d\d) `(\w+)`", FORMS)
    assert len(told) > len(RULES) / 2
    assert [(status, reason) for status, reason in told if status != str(ANSWERS[Reason(reason)].status)] == []


def test_every_key_has_an_example() -> None:
    assert {key for key in RuleEntry.model_fields if not re.search(rf"^ *(- )?{key}: ", FORMS, re.MULTILINE)} == {
        "public",
        "token_types",
        "required_headers",
    }


def keys(heading: str) -> set[str]:
    """Return what the first cells of the tables below a heading name."""
    section = PAGE.partition(f"### `{heading}`")[2].partition("\n### ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `") and "| ---" not in line]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "schema", "elsewhere"),
    [
        ("issuers.yml", IssuerEntry, set()),
        ("rules/*.yml", RuleEntry, set()),
        ("rules/*.yml", AccessEntry, {"path", "methods", "gone", "shadow", "instead_of"}),
        ("tiers.yml", AssignEntry, {"tier"}),
    ],
    ids=["issuers", "rules", "instead_of", "tiers"],
)
def test_the_reference_has_every_key(heading: str, schema: type[BaseModel], elsewhere: set[str]) -> None:
    told = keys(heading)
    fields = set(schema.model_fields)
    assert (fields - told) | (told - fields) == elsewhere
