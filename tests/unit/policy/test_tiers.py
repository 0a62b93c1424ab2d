"""Tiers: seats decide the bucket, and a file in which they would not is refused."""

from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.model import Tiers
from authz.policy.tiers import read_tiers
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
    assert tiers.of(seats) == tier


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
