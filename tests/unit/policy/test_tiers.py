"""Tiers: seats decide the bucket, and a file in which they would not is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.model import Claims, Tiers
from authz.policy.tiers import read_tiers
from tests.support.examples import CLAIMS, ISSUER, USER_ISSUER
from tests.support.files import shown, write
from tests.support.tables import row

TIERS = "default: any\ntiers:\n  - {name: small, min_seats: 1}\n  - {name: medium, min_seats: 100}\n"


@pytest.mark.parametrize(
    ("seats", "tier"),
    [
        pytest.param(None, "any", id="not known"),
        pytest.param(0, "any", id="none"),
        pytest.param(1, "small", id="the least of a tier"),
        pytest.param(99, "small", id="one below the next"),
        pytest.param(100, "medium", id="the least of the next"),
        pytest.param(10**30, "medium", id="more than anyone buys"),
    ],
)
def test_the_largest_tier_that_the_seats_reach_counts(tmp_path: Path, seats: int | None, tier: str) -> None:
    findings = Findings()
    tiers = read_tiers(write(tmp_path / "tiers.yml", TIERS), findings)
    assert findings.problems == []
    assert tiers.of(replace(CLAIMS, seats=seats)) == tier


ASSIGNED: Final = """\
default: any
assign:
  - {instances: [instance-1, instance-2], tier: medium}
  - {root_namespaces: ["9970"], tier: small}
  - {realm: saas, tier: medium}
  - {issuer: second, tier: medium}
  - {claim: plan, values: [ultimate], tier: medium}
  - {claim: licences, min: 500, tier: medium}
  - {claim: licences, min: 5, tier: small}
tiers: [{name: small, min_seats: 1}, {name: medium, min_seats: 100}]
"""
STRANGER: Final = replace(CLAIMS, subject="somebody")


@pytest.mark.parametrize(
    ("claims", "tier"),
    [
        row("a listed instance by its subject", CLAIMS, "medium"),
        row("a listed instance by its claim", replace(STRANGER, instance_id="instance-2"), "medium"),
        row("the subject of an instance that says it is another", replace(CLAIMS, instance_id="other"), "any"),
        row("a user who has an instance's id", replace(CLAIMS, issuer=replace(USER_ISSUER, name="third")), "any"),
        row("a listed namespace", replace(STRANGER, root_namespace_id="9970", realm="saas"), "small"),
        row("its number on a customer's own instance", replace(STRANGER, root_namespace_id="9970"), "any"),
        row("another namespace", replace(STRANGER, root_namespace_id="99"), "any"),
        row("a realm", replace(STRANGER, realm="saas"), "medium"),
        row("an issuer", replace(STRANGER, issuer=USER_ISSUER), "medium"),
        row("a claim's value", replace(STRANGER, named={"plan": "ultimate"}), "medium"),
        row("another value", replace(STRANGER, named={"plan": "Ultimate"}), "any"),
        row("a number that is enough", replace(STRANGER, named={"licences": "500"}), "medium"),
        row("a number that is enough for less", replace(STRANGER, named={"licences": "499"}), "small"),
        row("a number that is too small", replace(STRANGER, named={"licences": "4"}), "any"),
        row("a negative number", replace(STRANGER, named={"licences": "-500"}), "any"),
        row("a text that is no number", replace(STRANGER, named={"licences": "many"}), "any"),
        row("digits beyond ASCII", replace(STRANGER, named={"licences": "\u0665\u0660\u0660"}), "any"),
        row("nobody that is listed, but seats", replace(STRANGER, seats=100), "medium"),
        row(
            "the first that fits, before seats",
            replace(STRANGER, root_namespace_id="9970", realm="saas", seats=100),
            "small",
        ),
        row("the first that fits of two", replace(CLAIMS, root_namespace_id="9970"), "medium"),
    ],
)
def test_the_first_assignment_that_fits_counts(tmp_path: Path, claims: Claims, tier: str) -> None:
    findings = Findings()
    tiers = read_tiers(write(tmp_path / "tiers.yml", ASSIGNED), findings, (ISSUER, USER_ISSUER))
    assert findings.problems == []
    assert tiers.of(claims) == tier


def test_a_token_without_realm_is_of_a_self_managed_instance(tmp_path: Path) -> None:
    text = "default: any\nassign: [{realm: self-managed, tier: small}]\ntiers: [{name: small, min_seats: 1}]\n"
    tiers = read_tiers(write(tmp_path / "tiers.yml", text), Findings())
    assert tiers.of(replace(CLAIMS, realm="")) == tiers.of(replace(CLAIMS, realm="self-managed")) == "small"
    assert tiers.of(replace(CLAIMS, realm="saas")) == "any"


ASSIGN: Final = "default: any\ntiers: [{name: small, min_seats: 1}]\nassign:\n  - "


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        row(
            "a tier that is none",
            "{realm: saas, tier: smal}",
            "4: tier 'smal' is not under tiers; did you mean 'small'?",
        ),
        row(
            "an issuer that is none",
            "{issuer: frist, tier: small}",
            "4: issuer 'frist' is not in issuers.yml; did you mean 'first'?",
        ),
        row(
            "nobody",
            "{tier: small}",
            "4: assign[0]: should have one of instances, root_namespaces, realm, issuer, claim, not none of them",
        ),
        row(
            "two at once",
            "{tier: small, realm: saas, issuer: first}",
            "4: assign[0]: should have one of instances, root_namespaces, realm, issuer, claim, not realm and issuer",
        ),
        row(
            "a claim without a condition",
            "{tier: small, claim: plan}",
            "4: assign[0]: should have 'values' or 'min' together with 'claim', and neither without it",
        ),
        row(
            "a claim with two conditions",
            "{tier: small, claim: plan, values: [x], min: 1}",
            "4: assign[0]: should have 'values' or 'min' together with 'claim', and neither without it",
        ),
        row(
            "values without a claim",
            "{tier: small, realm: saas, values: [x]}",
            "4: assign[0]: should have 'values' or 'min' together with 'claim', and neither without it",
        ),
        row(
            "a claim that every token is checked for",
            "{tier: small, claim: sub, values: [x]}",
            "4: assign[0].claim: claim 'sub' cannot be named here: every token is checked for it",
        ),
        row("an empty list", "{tier: small, instances: []}", "4: assign[0].instances: should have at least one entry"),
        row(
            "a number that is no text",
            "{tier: small, root_namespaces: [9970]}",
            "4: assign[0].root_namespaces[0]: should be text (put it in quotes), not 9970",
        ),
    ],
)
def test_an_assignment_that_makes_no_sense_is_refused(tmp_path: Path, entry: str, problem: str) -> None:
    findings = Findings()
    read_tiers(write(tmp_path / "tiers.yml", f"{ASSIGN}{entry}\n"), findings, (ISSUER,))
    assert shown(findings.problems) == [f"tiers.yml:{problem}"]


def test_a_policy_may_have_the_default_tier_alone(tmp_path: Path) -> None:
    findings = Findings()
    assert read_tiers(write(tmp_path / "tiers.yml", "default: one\ntiers: []\n"), findings) == Tiers("one", ())
    assert findings.problems == []


LIST: Final = "default: any\ntiers:\n  - "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        row(
            "a name twice",
            f"{LIST}{{name: a, min_seats: 1}}\n  - {{name: a, min_seats: 2}}\n",
            "4: tier 'a' appears twice",
        ),
        row("the default's name again", f"{LIST}{{name: any, min_seats: 1}}\n", "3: tier 'any' appears twice"),
        row(
            "not rising",
            f"{LIST}{{name: a, min_seats: 9}}\n  - name: b\n    min_seats: 9\n",
            "5: tier 'b' needs more seats than 'a' before it: list tiers in rising order",
        ),
        row(
            "for nobody's seats",
            f"{LIST}{{name: a, min_seats: 0}}\n",
            "3: tiers[0].min_seats: should be greater than or equal to 1, not 0",
        ),
        row("no default", "tiers: []\n", "1: key 'default' is missing"),
        row("no list", "default: any\n", "1: key 'tiers' is missing"),
        row(
            "a name that is no bucket's",
            "default: Any\ntiers: []\n",
            "1: default: should match '^[a-z][a-z0-9_-]{0,31}$', not 'Any'",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    findings = Findings()
    read_tiers(write(tmp_path / "tiers.yml", text), findings)
    assert shown(findings.problems) == [f"tiers.yml:{problem}"]


def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    read_tiers(tmp_path / "tiers.yml", findings)
    assert shown(findings.problems) == ["tiers.yml:0: cannot be read: No such file or directory"]
