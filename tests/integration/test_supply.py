"""What is said of known holes is no more than what is known."""

from __future__ import annotations

import json

import pytest

from dev.supply import audited

CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
SKIPPED = {"name": "cffi", "skip_reason": "not found"}
HOLED = {"name": "pyjwt", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.4", "3.0"]}]}
UNMENDED = {"name": "pyyaml", "version": "6.0", "vulns": [{"id": "CVE-2", "fix_versions": []}]}


def report(*packages: object) -> str:
    """pip-audit's JSON."""
    return json.dumps({"dependencies": packages, "fixes": []})


def test_all_looked_at_and_none_found() -> None:
    said = audited(report(CLEAN, CLEAN), "No known vulnerabilities found")
    assert (said.found, said.lines) == (0, ("no known holes, 2 of 2 packages looked at",))


def test_what_was_skipped_is_not_known_whatever_pip_audit_calls_it() -> None:
    said = audited(report(CLEAN, SKIPPED), "No known vulnerabilities found")
    assert said.found == 0
    assert said.lines[0].startswith("NOT KNOWN: 1 of 2 packages looked at")
    assert said.lines[1:] == ("cffi: not found",)


def test_holes_are_named_with_their_mend_and_what_was_skipped_too() -> None:
    said = audited(report(HOLED, UNMENDED, SKIPPED), "")
    assert said.found == 2
    assert said.lines == (
        "2 known holes, 2 of 3 packages looked at",
        "pyjwt 2.0: CVE-1, mended in 2.4, 3.0",
        "pyyaml 6.0: CVE-2, mended in none yet",
        "cffi: not found",
    )


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}"])
def test_no_report_is_not_known(text: str) -> None:
    said = audited(text, "Traceback\nConnectionError: no such host\n")
    assert (said.found, said.lines[0][:9], said.lines[-1]) == (0, "NOT KNOWN", "ConnectionError: no such host")


def test_no_report_and_no_word_is_not_known_either() -> None:
    assert audited("", "").lines[-1] == "it said nothing"
