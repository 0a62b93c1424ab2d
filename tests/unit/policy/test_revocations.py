"""Revocations: what is on the list is refused, until it is not; a list that cannot be meant stops the start."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.model import Claims
from authz.policy.revocations import read_revocations
from authz.tokens.revocations import NO_REVOCATIONS, Revocations
from tests.support.examples import CLAIMS, USER_ISSUER
from tests.support.files import shown, write

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
UUID: Final = "6b1e6a52-4d3c-4f0e-9b7d-2f4c8a1d9e33"
THUMBPRINT: Final = "0123456789abcdef" * 4
USER: Final = replace(CLAIMS, issuer=USER_ISSUER, subject="user-1", instance_id="instance-1")


def found(folder: Path, text: str) -> tuple[Revocations, list[str]]:
    findings = Findings()
    revocations = read_revocations(
        write(folder / "revocations.yml", text), {"first", "second"}, {"first": {"k"}}, findings
    )
    return revocations, shown([*findings.problems, *findings.warnings])


def held(folder: Path, text: str, claims: Claims = CLAIMS, kid: str = "k", now: float = NOW) -> bool:
    revocations, problems = found(folder, text)
    assert problems == []
    return revocations.cover(claims, kid, (THUMBPRINT, "f" * 64), now)


HELD: Final = {
    "a token": ("token_ids: [{value: t-1, reason: r}]", replace(CLAIMS, token_id="t-1")),
    "a user's token": ("token_ids: [{value: t-1, reason: r}]", replace(USER, token_id="t-1")),
    "an instance by its subject": ("instances: [{value: instance-1, reason: r}]", CLAIMS),
    "an instance by its id": ("instances: [{value: i-1, reason: r}]", replace(CLAIMS, instance_id="i-1")),
    "a user's instance": ("instances: [{value: instance-1, reason: r}]", USER),
    "a user": ("users: [{value: user-1, reason: r}]", USER),
    "a key": ("key_ids: [{value: {issuer: first, kid: k}, reason: r}]", CLAIMS),
    "a certificate": (f"certificates: [{{value: {THUMBPRINT}, reason: r}}]", CLAIMS),
    "another on the way": (f"certificates: [{{value: {'f' * 64}, reason: r}}]", CLAIMS),
    "one of several": (
        "instances: [{value: a, reason: r}, {value: instance-1, reason: r}, {value: b, reason: r}]",
        CLAIMS,
    ),
}
FREE: Final = {
    "an empty list": ("instances: []", CLAIMS),
    "another token": ("token_ids: [{value: t-1, reason: r}]", replace(CLAIMS, token_id="t-2")),
    "a token without an id": ("token_ids: [{value: t-1, reason: r}]", CLAIMS),
    "another instance": ("instances: [{value: instance-2, reason: r}]", CLAIMS),
    "a user called as an instance": ("instances: [{value: user-1, reason: r}]", USER),
    "an instance called as a user": ("users: [{value: instance-1, reason: r}]", CLAIMS),
    "a token called as an instance": ("token_ids: [{value: instance-1, reason: r}]", CLAIMS),
    "another issuer's key of that name": ("key_ids: [{value: {issuer: second, kid: k}, reason: r}]", CLAIMS),
    "another certificate": (f"certificates: [{{value: {'e' * 64}, reason: r}}]", CLAIMS),
}


@pytest.mark.parametrize(("text", "claims"), HELD.values(), ids=HELD.keys())
def test_what_is_on_the_list_is_revoked(tmp_path: Path, text: str, claims: Claims) -> None:
    assert held(tmp_path, text, claims)
    assert held(tmp_path, text, claims, now=1e12), "without an end it holds for good"


@pytest.mark.parametrize(("text", "claims"), FREE.values(), ids=FREE.keys())
def test_what_is_not_is_not(tmp_path: Path, text: str, claims: Claims) -> None:
    assert not held(tmp_path, text, claims)


@pytest.mark.parametrize(("text", "claims"), HELD.values(), ids=HELD.keys())
def test_a_revocation_holds_until_its_end(tmp_path: Path, text: str, claims: Claims) -> None:
    ending = text.replace("reason: r}", "reason: r, until: 2026-01-01T00:00:00Z}")
    assert held(tmp_path, ending, claims, now=NOW - 0.001)
    assert not held(tmp_path, ending, claims, now=NOW)


@pytest.mark.parametrize(
    "order", [("2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), ("2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z")]
)
def test_of_two_ends_the_later_counts(tmp_path: Path, order: tuple[str, str]) -> None:
    entries = ", ".join(f"{{value: instance-1, reason: r, until: {end}}}" for end in order)
    assert held(tmp_path, f"instances: [{entries}]")


def test_an_entry_without_end_outlives_one_that_ends(tmp_path: Path) -> None:
    ending = "{value: instance-1, reason: r, until: 2025-01-01T00:00:00Z}"
    assert held(tmp_path, f"instances: [{{value: instance-1, reason: r}}, {ending}]")


def test_an_end_may_be_in_any_zone(tmp_path: Path) -> None:
    text = "instances: [{value: instance-1, reason: r, until: 2026-01-01T01:00:00+01:00}]"
    assert held(tmp_path, text, now=NOW - 1)
    assert not held(tmp_path, text, now=NOW)


@pytest.mark.parametrize("written", [THUMBPRINT.upper(), ":".join(THUMBPRINT[at : at + 2] for at in range(0, 64, 2))])
def test_a_thumbprint_may_be_written_as_openssl_does(tmp_path: Path, written: str) -> None:
    assert held(tmp_path, f'certificates: [{{value: "{written}", reason: r}}]')


def test_a_policy_without_the_file_revokes_nothing(tmp_path: Path) -> None:
    findings = Findings()
    assert read_revocations(tmp_path / "revocations.yml", {"first"}, {}, findings) is NO_REVOCATIONS
    assert findings.problems == []
    assert not NO_REVOCATIONS.cover(replace(CLAIMS, token_id=""), "", (), NOW)


KEYS: Final = [("first", "k"), ("first", "K"), ("second", "of an issuer that is not loaded")]
REFUSED: Final = {
    "no reason": ("instances:\n  - {value: a}", "2: key 'reason' is missing in instances[0]"),
    "an empty reason": ('instances:\n  - {value: a, reason: ""}', "2: instances[0].reason: "),
    "no value": ("users:\n  - {reason: r}", "2: key 'value' is missing in users[0]"),
    "an empty value": ('users:\n  - {value: "", reason: r}', "2: users[0].value: "),
    "a value of 257 characters": (f"users:\n  - {{value: {'a' * 257}, reason: r}}", "2: users[0].value: "),
    "a number": ("users:\n  - {value: 7, reason: r}", "2: users[0].value: should be text (put it in quotes), not 7"),
    "a UUID in capitals": (
        f"instances:\n  - {{value: {UUID.upper()}, reason: r}}",
        "2: instances[0].value: should be in lower case: ",
    ),
    "a space behind a UUID": (
        f'instances:\n  - {{value: "{UUID} ", reason: r}}',
        "2: instances[0].value: should have only letters, digits and ",
    ),
    "a space before a token's id": ('token_ids:\n  - {value: " a", reason: r}', "2: token_ids[0].value: should have "),
    "a line feed behind a user": ('users:\n  - {value: "a\\n", reason: r}', "2: users[0].value: should have only "),
    "a UUID in braces": (f'users:\n  - {{value: "{{{UUID}}}", reason: r}}', "2: users[0].value: should have only "),
    "an empty kid": ('key_ids:\n  - {value: {issuer: first, kid: ""}, reason: r}', "2: key_ids[0].value.kid: "),
    "a date without a zone": (
        "users:\n  - {value: a, reason: r, until: 2026-01-01T00:00:00}",
        "2: users[0].until: should be a date and time with a zone, such as 2026-01-01T00:00:00Z",
    ),
    "a date without a time": (
        "users:\n  - {value: a, reason: r, until: 2026-01-01}",
        "2: users[0].until: should be a date and time with a zone",
    ),
    "a date in words": (
        "users:\n  - {value: a, reason: r, until: tomorrow}",
        "2: users[0].until: should be a date and time with a zone",
    ),
    "a name alone": ("users:\n  - a", "2: users[0]: should be keys and values"),
    "an unknown list": ("user: []", "1: unknown key 'user'; did you mean 'users'?"),
    "an unknown key": (
        "users:\n  - {value: a, reason: r, untill: 2026-01-01T00:00:00Z}",
        "2: unknown key 'untill'; did",
    ),
    "a key without its issuer": ("key_ids:\n  - {value: k, reason: r}", "2: key_ids[0].value: should be keys and "),
    "a key of an unknown issuer": (
        "key_ids:\n  - {value: {issuer: third, kid: k}, reason: r}",
        "2: issuer 'third' is not in issuers.yml",
    ),
    "a thumbprint of another length": (
        "certificates:\n  - {value: 0123abcd, reason: r}",
        "2: certificates[0].value: should be the SHA-256 of a certificate, 64 hexadecimal digits",
    ),
    "a thumbprint with another letter": (
        f"certificates:\n  - {{value: {'g' * 64}, reason: r}}",
        "2: certificates[0].value: should be the SHA-256",
    ),
    "nothing": ("", "0: is empty"),
    "a list": ("- a", "1: should be keys and values"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """2026-11-22: a name with a space, which no token can have, was taken and stopped nobody."""
    _, problems = found(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].startswith(f"revocations.yml:{problem}")


def test_a_key_that_its_issuer_does_not_have_is_a_warning(tmp_path: Path) -> None:
    """2026-11-22: a misspelt kid revoked nothing, and nobody was told; a key that was taken out is no mistake."""
    entries = "\n".join(f"  - {{value: {{issuer: {of}, kid: {kid}}}, reason: r}}" for of, kid in KEYS)
    revocations, warnings = found(tmp_path, f"key_ids:\n{entries}")
    mend = "correct the entry, or remove it if the key was taken out"
    assert warnings == [f"revocations.yml:3: issuer 'first' has no key 'K': {mend}"]
    assert [revocations.cover(CLAIMS, kid, (), NOW) for kid in ("k", "K", "l")] == [True, True, False]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = "users:\n  - {value: a}\n  - {reason: r}\ninstances:\n  - {value: 7, reason: r}\n"
    assert sorted(problem.split(":")[1] for problem in found(tmp_path, text)[1]) == ["2", "3", "5"]


def test_a_link_that_leads_nowhere_is_a_problem_and_not_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "revocations.yml").symlink_to(tmp_path / "gone")
    findings = Findings()
    read_revocations(tmp_path / "revocations.yml", {"first"}, {}, findings)
    assert shown(findings.problems) == ["revocations.yml:0: cannot be read: No such file or directory"]


def test_a_folder_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "revocations.yml").mkdir()
    findings = Findings()
    read_revocations(tmp_path / "revocations.yml", {"first"}, {}, findings)
    assert shown(findings.problems) == ["revocations.yml:0: cannot be read: Is a directory"]
