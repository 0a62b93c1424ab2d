"""`issuers.yml`: every default written out, and every entry that would mislead refused."""

from pathlib import Path

import pytest

from authz.documents.findings import Findings
from authz.model import Algorithm, Issuer, TokenType, Trust
from authz.policy.issuers import read_issuers
from tests.support.examples import BACKEND, CATALOG, OTHER_BACKEND
from tests.support.files import shown, write
from tests.support.tables import row

SHORT = "{name: a, issuer: https://a.example, token_type: instance, max_lifetime: 1h}"


def found(tmp_path: Path, text: str) -> tuple[tuple[Issuer, ...], list[str]]:
    findings = Findings()
    issuers = read_issuers(write(tmp_path / "issuers.yml", text), CATALOG, findings)
    return issuers, shown(findings.problems)


def test_what_is_left_out_has_the_documented_default(tmp_path: Path) -> None:
    issuers, problems = found(tmp_path, f"issuers: [{SHORT}]")
    assert problems == []
    assert issuers == (
        Issuer(
            name="a",
            identifier="https://a.example",
            environment="production",
            token_type=TokenType.INSTANCE,
            realms=frozenset(),
            backend_services=None,
            algorithms=frozenset({Algorithm.RS256}),
            max_lifetime=3600.0,
            expiry_leeway=0.0,
            start_leeway=10.0,
            allow_missing_kid=False,
            trust=frozenset({Trust.PACKAGED_KEYS}),
            certificate_identity="https://a.example",
        ),
    )


def test_everything_may_be_said(tmp_path: Path) -> None:
    text = """
        issuers:
          - name: a
            issuer: someone
            environment: staging
            token_type: user
            realms: [saas, self-managed]
            backend_services: [alpha]
            algorithms: [ES256, EdDSA]
            max_lifetime: 3d
            leeway: 30s
            allow_missing_kid: true
            trust: [packaged_keys, certificate_chain]
            certificate_identity: https://b.example
        """
    issuers, problems = found(tmp_path, text)
    assert problems == []
    assert issuers == (
        Issuer(
            name="a",
            identifier="someone",
            environment="staging",
            token_type=TokenType.USER,
            realms=frozenset({"saas", "self-managed"}),
            backend_services=frozenset({"alpha"}),
            algorithms=frozenset({Algorithm.ES256, Algorithm.EDDSA}),
            max_lifetime=259_200.0,
            expiry_leeway=30.0,
            start_leeway=30.0,
            allow_missing_kid=True,
            trust=frozenset(Trust),
            certificate_identity="https://b.example",
        ),
    )


def test_a_leaf_carries_the_issuer_unless_another_identity_is_configured(tmp_path: Path) -> None:
    issuers, problems = found(tmp_path, f"issuers: [{SHORT[:-1]}, trust: [certificate_chain]}}]")
    assert problems == []
    assert (issuers[0].trust, issuers[0].certificate_identity) == (
        frozenset({Trust.CERTIFICATE_CHAIN}),
        issuers[0].identifier,
    )


def test_a_leeway_of_nothing_is_a_leeway(tmp_path: Path) -> None:
    issuers, _ = found(tmp_path, f"issuers: [{SHORT[:-1]}, leeway: 0s}}]")
    assert (issuers[0].expiry_leeway, issuers[0].start_leeway) == (0.0, 0.0)


def test_an_issuer_mints_for_the_backends_it_lists_or_for_all(tmp_path: Path) -> None:
    for more, answers in (("", (True, True)), (", backend_services: [alpha]", (True, False))):
        issuers, _ = found(tmp_path, f"issuers: [{SHORT[:-1]}{more}}}]")
        assert (issuers[0].mints_for(BACKEND), issuers[0].mints_for(OTHER_BACKEND)) == answers


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        row("a name that is no file name", "{name: A}", "should match"),
        row("a name that leaves the keys directory", "{name: ../a}", "should match"),
        row("an empty iss", "{issuer: ''}", "issuers[0].issuer: "),
        row("an empty environment", "{environment: ''}", "issuers[0].environment: "),
        row("an unknown token type", "{token_type: other}", "should be 'instance' or 'user', not 'other'"),
        row("no realm: leave the key out for any", "{realms: []}", "issuers[0].realms: "),
        row("a realm that no claim can hold", "{realms: [SaaS]}", "issuers[0].realms[0]: "),
        row("no backend", "{backend_services: []}", "issuers[0].backend_services: "),
        row(
            "an unknown backend", "{backend_services: [alpha, gamma]}", "backend service 'gamma' is not in the catalog"
        ),
        row("no algorithm", "{algorithms: []}", "issuers[0].algorithms: "),
        row("a shared secret", "{algorithms: [HS256]}", "should be 'RS256', 'ES256' or 'EdDSA', not 'HS256'"),
        row("no signature", "{algorithms: [none]}", "should be 'RS256', 'ES256' or 'EdDSA', not 'none'"),
        row("no lifetime", "{max_lifetime: 0s}", "issuers[0].max_lifetime: should be more than 0s"),
        row("a lifetime beyond a year", "{max_lifetime: 367d}", "and at most 366d"),
        row("a leeway beyond clocks that differ", "{leeway: 301s}", "issuers[0].leeway: should be at most 5m"),
        row("a lifetime without unit", "{max_lifetime: 3600}", "should be a number and a unit"),
        row("a leeway below nothing", "{leeway: -5s}", "should be a number and a unit"),
        row("a number for a boolean", "{allow_missing_kid: 1}", "should be true or false"),
        row("no trust", "{trust: []}", "issuers[0].trust: "),
        row("an unknown kind of trust", "{trust: [anyone]}", "issuers[0].trust[0]: "),
        row(
            "an identity that nothing would check",
            "{certificate_identity: https://b.example}",
            "has no effect without certificate_chain under trust: remove it",
        ),
        row("a typo", "{algorithm: [RS256]}", "unknown key 'algorithm'; did you mean 'algorithms'?"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(tmp_path: Path, entry: str, problem: str) -> None:
    members = dict(part.split(": ", 1) for part in SHORT.strip("{}").split(", "))
    name, _, value = entry[1:-1].partition(": ")
    members[name] = value
    _, problems = found(tmp_path, "issuers:\n  - " + "\n    ".join(f"{key}: {text}" for key, text in members.items()))
    line = 2 + list(members).index(name)
    assert len(problems) == 1
    assert problems[0].startswith(f"issuers.yml:{line}: ")
    assert problem in problems[0]


@pytest.mark.parametrize("missing", ["name", "issuer", "token_type", "max_lifetime"])
def test_what_has_no_default_must_be_said(tmp_path: Path, missing: str) -> None:
    members = [part for part in SHORT.strip("{}").split(", ") if not part.startswith(f"{missing}:")]
    _, problems = found(tmp_path, f"issuers:\n  - {{{', '.join(members)}}}")
    assert problems == [f"issuers.yml:2: key '{missing}' is missing in issuers[0]"]


def test_a_file_without_issuers_is_refused(tmp_path: Path) -> None:
    issuers, problems = found(tmp_path, "issuers: []")
    assert issuers == ()
    assert len(problems) == 1
    assert problems[0].startswith("issuers.yml:1: issuers: ")


def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    assert read_issuers(tmp_path / "issuers.yml", CATALOG, findings) == ()
    assert shown(findings.problems) == ["issuers.yml:0: cannot be read: No such file or directory"]


def test_two_issuers_cannot_share_a_name_or_an_iss_in_one_environment(tmp_path: Path) -> None:
    text = """
        issuers:
          - {name: a, issuer: https://a.example, token_type: instance, max_lifetime: 1h}
          - {name: a, issuer: https://b.example, token_type: instance, max_lifetime: 1h, environment: staging}
          - {name: c, issuer: https://a.example, token_type: instance, max_lifetime: 1h}
        """
    _, problems = found(tmp_path, text)
    assert problems == [
        "issuers.yml:3: issuer name 'a' appears twice",
        "issuers.yml:4: environment and iss claim ('production', 'https://a.example') appear twice: "
        "a token would belong to both issuers",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "certificate_identity: https://a.example, "),
        ("certificate_identity: https://b.example, ", ""),
        ("certificate_identity: https://c.example, ", "certificate_identity: https://c.example, "),
    ],
    ids=["the first one's issuer", "the second one's issuer", "another"],
)
def test_two_issuers_cannot_share_what_their_leaves_say(tmp_path: Path, first: str, second: str) -> None:
    """2026-11-22: below one root, a leaf of either would have signed for the other."""
    common = "token_type: user, max_lifetime: 1h, trust: [certificate_chain]"
    text = f"""
        issuers:
          - {{name: a, issuer: https://a.example, {first}{common}}}
          - {{name: b, issuer: https://b.example, {second}{common}}}
        """
    _, problems = found(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].startswith("issuers.yml:3: 'https://")
    assert problems[0].endswith("' is what leaves of issuer 'a' carry: one identity, one issuer")


def test_issuers_that_never_meet_may_share_it(tmp_path: Path) -> None:
    common = "token_type: user, max_lifetime: 1h"
    text = f"""
        issuers:
          - {{name: a, issuer: a, {common}, trust: [certificate_chain], certificate_identity: c}}
          - {{name: b, issuer: b, {common}, trust: [certificate_chain], certificate_identity: c, environment: staging}}
          - {{name: c, issuer: c, {common}}}
        """
    assert found(tmp_path, text)[1] == []


def test_two_environments_may_share_an_iss(tmp_path: Path) -> None:
    other = SHORT.replace("name: a", "name: b").replace("}", ", environment: staging}")
    issuers, problems = found(tmp_path, f"issuers: [{SHORT}, {other}]")
    assert problems == []
    assert [issuer.environment for issuer in issuers] == ["production", "staging"]


def test_an_iss_is_compared_exactly(tmp_path: Path) -> None:
    other = SHORT.replace("name: a", "name: b").replace("https://a", "https://A")
    issuers, problems = found(tmp_path, f"issuers: [{SHORT}, {other}]")
    assert problems == []
    assert len(issuers) == 2
