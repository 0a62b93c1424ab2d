"""The report of vulnerabilities claims no more than pip-audit has checked."""

import json

import pytest

from dev.supply import audited

CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
SKIPPED = {"name": "cffi", "skip_reason": "not found"}
VULNERABLE = {"name": "pyjwt", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.4", "3.0"]}]}
UNFIXED = {"name": "pyyaml", "version": "6.0", "vulns": [{"id": "CVE-2", "fix_versions": []}]}


def report(*packages: object) -> str:
    """pip-audit's JSON."""
    return json.dumps({"dependencies": packages, "fixes": []})


def test_all_packages_checked_and_none_vulnerable() -> None:
    result = audited(report(CLEAN, CLEAN), "No known vulnerabilities found")
    assert (result.found, result.lines) == (0, ("no known vulnerabilities, 2 of 2 packages checked",))


def test_a_skipped_package_is_reported_as_not_known() -> None:
    result = audited(report(CLEAN, SKIPPED), "No known vulnerabilities found")
    assert result.found == 0
    assert result.lines[0].startswith("NOT KNOWN: 1 of 2 packages checked")
    assert result.lines[1:] == ("cffi: not found",)


def test_vulnerabilities_are_listed_with_fixed_versions_and_skipped_packages() -> None:
    result = audited(report(VULNERABLE, UNFIXED, SKIPPED), "")
    assert result.found == 2
    assert result.lines == (
        "2 known vulnerabilities, 2 of 3 packages checked",
        "pyjwt 2.0: CVE-1, fixed in 2.4, 3.0",
        "pyyaml 6.0: CVE-2, fixed in none yet",
        "cffi: not found",
    )


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}"])
def test_output_that_is_no_report_is_not_known(text: str) -> None:
    result = audited(text, "Traceback\nConnectionError: no such host\n")
    assert (result.found, result.lines[0][:9], result.lines[-1]) == (0, "NOT KNOWN", "ConnectionError: no such host")


def test_no_output_at_all_is_reported_without_a_reason() -> None:
    assert audited("", "").lines[-1] == "it gave no reason"
