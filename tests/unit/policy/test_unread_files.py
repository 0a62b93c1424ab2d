"""Misspelt policy files: someone believes that they are in force."""

from pathlib import Path

import pytest

from authz.documents.findings import Findings
from authz.policy.unread_files import report_misnamed, report_unknown_keys
from tests.support.files import shown, write


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("revocations.yaml", "revocations.yml"),
        ("revocation.yml", "revocations.yml"),
        ("Revocations.yml", "revocations.yml"),
        ("issuers.yaml", "issuers.yml"),
        ("tiers.YML", "tiers.yml"),
        ("rule/a.yml", "rules"),
        ("catalogue/a.yml", "catalog"),
        ("revocations/a.yml", "revocations.yml"),
        ("revocations.yml/a.yml", "revocations.yml"),
        ("revocations.json", "revocations.yml"),
        ("revocations", "revocations.yml"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_a_problem(tmp_path: Path, name: str, meant: str) -> None:
    """2026-11-22: a misspelt emergency stop stopped nothing, and nobody was told."""
    write(tmp_path / name, "a: 1")
    findings = Findings()
    report_misnamed(tmp_path, findings)
    assert shown(findings.problems) == [f"{name.partition('/')[0]}:0: is not read: did you mean {meant}?"]


def test_other_files_are_none_of_our_business(tmp_path: Path) -> None:
    names = (
        "issuers.yml",
        "tiers.yml",
        "revocations.yml",
        "rules/a.yml",
        "catalog/a.yml",
        "keys/a",
        "README.md",
        "Makefile",
        "LICENSE",
        "package.json",
        "docs/x",
    )
    for name in (*names, "src/config.rb", ".gitlab-ci.yml", "issuers.yml.bak"):
        write(tmp_path / name, "a: 1")
    findings = Findings()
    report_misnamed(tmp_path, findings)
    assert findings.problems == []


def test_two_catalogs_are_one_too_many(tmp_path: Path) -> None:
    write(tmp_path / "catalog/a.yml", "a: 1")
    write(tmp_path / "config/a.yml", "a: 1")
    findings = Findings()
    report_misnamed(tmp_path, findings)
    assert shown(findings.problems) == ["config:0: is not read beside catalog/: keep one of the two"]


def test_a_folder_of_the_catalog_that_is_nearly_one_of_ours_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "catalog/unit_primtives/a.yml", "a: 1")
    write(tmp_path / "catalog/add_ons/a.yml", "a: 1")
    write(tmp_path / "catalog/schemas/a.yml", "a: 1")
    findings = Findings()
    report_misnamed(tmp_path, findings)
    assert shown(findings.problems) == ["unit_primtives:0: is not read: did you mean unit_primitives?"]


def test_a_key_file_of_no_issuer_is_a_warning(tmp_path: Path) -> None:
    for name in ("first.jwks.json", "second.ca.pem", "frist.jwks.json", "third.ca.pem", "notes.txt", "private/x.pem"):
        write(tmp_path / name, "")
    findings = Findings()
    report_unknown_keys(tmp_path, {"first", "second"}, findings)
    assert findings.problems == []
    assert shown(findings.warnings) == [
        "frist.jwks.json:0: is not read: issuers.yml has no issuer 'frist'; did you mean first.jwks.json?",
        "third.ca.pem:0: is not read: issuers.yml has no issuer 'third'",
    ]
