"""A policy: everything that a decision depends on, read at once, with every problem of it told at once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from authz.deciding.decision import Allowed, Denied
from authz.deciding.reasons import Reason
from authz.documents.findings import ConfigurationError
from authz.model import Request
from authz.policy.load import Policy, load_policy
from authz.tokens.proof import TokenError
from tests.support.certificates import NOW, Certificate, pem, x5c
from tests.support.files import shown, write
from tests.support.signing import encode, key

SIGNER = key("p-1")
ISSUERS = """
    issuers:
      - {name: first, issuer: https://first.example, token_type: instance, max_lifetime: 1h}
      - {name: stage, issuer: https://stage.example, token_type: instance, max_lifetime: 1h, environment: staging}
    """
RULES = """
    backend_service: alpha
    prefix: /p
    rules:
      - {path: /x, methods: [GET], unit_primitives: [read]}
      - {path: /open, methods: [GET], public: true}
    """
TIERS = "default: any\ntiers: [{name: small, min_seats: 10}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a small policy in `policy/` and its keys in `keys/`."""
    backend = "name: alpha\ndescription: d\nproject_url: https://p.example\ngroup: group::a\njwt_aud: aud-alpha\n"
    unit = "name: read\ndescription: d\ngroup: group::a\nfeature_category: c\ndocumentation_url: https://d.example\n"
    write(tmp_path / "policy/catalog/backend_services/alpha.yml", backend)
    write(tmp_path / "policy/catalog/unit_primitives/read.yml", unit)
    write(tmp_path / "policy/issuers.yml", ISSUERS)
    write(tmp_path / "policy/rules/alpha.yml", RULES)
    write(tmp_path / "policy/tiers.yml", TIERS)
    write(tmp_path / "keys/first.jwks.json", json.dumps({"keys": [SIGNER.jwk()]}))
    return tmp_path


def load(folder: Path, environment: str = "production", *, empty: bool = False, unlabelled: bool = False) -> Policy:
    return load_policy(
        folder / "policy",
        folder / "keys",
        environment,
        allow_empty_issuers=empty,
        allow_unlabelled_routes=unlabelled,
    )


def problems(folder: Path, environment: str = "production") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, environment)
    return shown(caught.value.problems)


def asked(path: str = "/p/x", label: str | None = "alpha", *, token: str = "", seats: object = None) -> Request:
    claims = {"iss": "https://first.example", "sub": "s", "aud": "aud-alpha", "exp": 2_000, "iat": 1_000}
    payload = json.dumps({**claims, "scopes": ["read"], "duo_seat_count": seats}).encode()
    signed = token or encode(b'{"alg":"RS256","kid":"p-1"}', payload, SIGNER.sign)
    headers = {"authorization": f"Bearer {signed}", "x-gitlab-authentication-type": "oidc", "x-gitlab-instance-id": "s"}
    return Request("GET", path, headers, label)


def test_a_policy_is_the_issuers_of_one_environment(folder: Path) -> None:
    policy = load(folder)
    assert [issuer.name for issuer in policy.issuers] == ["first"]
    assert (policy.judge.tiers.default, policy.warnings) == ("any", ())


def test_keys_of_another_environment_open_nothing(folder: Path) -> None:
    write(folder / "keys/stage.jwks.json", json.dumps({"keys": [key("p-2").jwk()]}))
    staging = load(folder, "staging")
    decision = staging.judge.judge(asked(), 1_500.0).decision
    assert isinstance(decision, Denied)
    assert decision.token_error is TokenError.UNKNOWN_ISSUER


@pytest.mark.parametrize(("seats", "tier"), [(None, "any"), (9, "any"), (10, "small"), ("10", "small"), ("x", "any")])
def test_a_request_with_a_token_is_allowed_in_the_tier_of_its_seats(folder: Path, seats: object, tier: str) -> None:
    decision = load(folder).judge.judge(asked(seats=seats), 1_500.0).decision
    assert isinstance(decision, Allowed)
    assert decision.identity is not None
    assert (decision.backend_service, decision.identity.tier) == ("alpha", tier)


def test_a_public_rule_allows_without_looking_at_the_token(folder: Path) -> None:
    assert load(folder).judge.judge(asked("/p/open", token="nonsense"), 1_500.0).decision == Allowed("alpha", None)


def test_checks_come_in_their_order(folder: Path) -> None:
    policy = load(folder)
    request = Request("POST", "/p//x", {}, "beta")
    answers = []
    for mended in (
        {},
        {"target": "/p/y"},
        {"target": "/p/x"},
        {"method": "GET"},
        {"label": "alpha"},
        {"headers": {"authorization": "Bearer x"}},
        {"headers": {**asked(token="x").headers}},
        {"headers": {**asked().headers, "x-gitlab-instance-id": "t"}},
        {"headers": asked().headers},
    ):
        request = replace(request, **mended)
        answers.append(policy.judge.judge(request, 1_500.0).decision.reason)
    assert answers == [
        Reason.AMBIGUOUS_PATH,
        Reason.NO_RULE,
        Reason.METHOD_NOT_ALLOWED,
        Reason.BACKEND_DISAGREEMENT,
        Reason.MISSING_AUTHORIZATION,
        Reason.UNSUPPORTED_AUTHENTICATION_TYPE,
        Reason.INVALID_TOKEN,
        Reason.HEADER_MISMATCH,
        Reason.ALLOWED,
    ]


@pytest.mark.parametrize(
    ("label", "unlabelled", "reason"),
    [
        pytest.param(None, False, Reason.BACKEND_DISAGREEMENT, id="no label"),
        pytest.param(None, True, Reason.PUBLIC, id="no label, where that is allowed"),
        pytest.param("beta", True, Reason.BACKEND_DISAGREEMENT, id="a wrong label, even there"),
        pytest.param("", True, Reason.BACKEND_DISAGREEMENT, id="an empty label, even there"),
    ],
)
def test_a_route_without_a_label_is_refused_unless_that_is_allowed(
    folder: Path, label: str | None, unlabelled: bool, reason: Reason
) -> None:
    assert load(folder, unlabelled=unlabelled).judge.judge(asked("/p/open", label), 1_500.0).decision.reason is reason


def test_a_directory_that_does_not_exist_is_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["policy:0: is not a directory: name a policy directory with --policy"]


def test_what_is_revoked_is_refused_and_only_that(folder: Path) -> None:
    assert load(folder).judge.judge(asked(), 1_500.0).decision.reason is Reason.ALLOWED
    write(folder / "policy/revocations.yml", "instances: [{value: s, reason: stolen}]\n")
    decision = load(folder).judge.judge(asked(), 1_500.0).decision
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.token_error, decision.signature_valid) == (
        Reason.INVALID_TOKEN,
        TokenError.REVOKED,
        True,
    )
    write(folder / "policy/revocations.yml", "instances: [{value: t, reason: stolen}]\n")
    assert load(folder).judge.judge(asked(), 1_500.0).decision.reason is Reason.ALLOWED


def test_a_key_of_an_issuer_of_any_environment_may_be_revoked(folder: Path) -> None:
    entry = "{value: {issuer: stage, kid: p-1}, reason: leaked}"
    write(folder / "policy/revocations.yml", f"key_ids: [{entry}]\n")
    assert load(folder).judge.judge(asked(), 1_500.0).decision.reason is Reason.ALLOWED
    write(folder / "policy/revocations.yml", f"key_ids: [{entry.replace('stage', 'other')}]\n")
    assert problems(folder) == ["revocations.yml:1: issuer 'other' is not in issuers.yml"]


def test_a_token_by_chain_is_allowed_where_the_issuer_trusts_chains(folder: Path) -> None:
    root = Certificate("root", ca=True)
    leaf = Certificate("leaf", signed_by=root, uris=("https://first.example",), kind="RSA-2048")
    write(folder / "policy/issuers.yml", ISSUERS.replace("1h}", "1h, trust: [certificate_chain]}", 1))
    write(folder / "keys/first.ca.pem", pem([root]))
    now = NOW.timestamp()
    claims = {"iss": "https://first.example", "sub": "s", "aud": "aud-alpha", "scopes": ["read"]}
    payload = json.dumps({**claims, "exp": now + 60, "iat": now}).encode()
    token = encode(json.dumps({"alg": "RS256", "x5c": x5c([leaf])}).encode(), payload, leaf.key.sign)
    policy = load(folder)
    assert policy.judge.judge(asked(token=token), now).decision.reason is Reason.ALLOWED
    assert shown(policy.warnings) == [
        "first.jwks.json:0: is ignored: issuer 'first' does not list packaged_keys under trust (issuers.yml)"
    ]


@pytest.mark.parametrize("key", ["token_types", "required_headers"])
def test_a_restriction_whose_entries_were_taken_out_is_no_permission(folder: Path, key: str) -> None:
    """2026-11-22: `token_types:` with its entries commented out allowed every type of token."""
    rule = f"""
      - path: /z
        methods: [GET]
        unit_primitives: [read]
        {key}:
        # - instance
    """
    write(folder / "policy/rules/alpha.yml", RULES.rstrip() + rule)
    assert problems(folder) == [f"alpha.yml:9: rules[2].{key} is empty: give it a value, or remove the key"]


def test_misspelt_policy_files_are_problems_of_the_policy(folder: Path) -> None:
    write(folder / "policy/revocations.yaml", "instances: []")
    assert problems(folder) == ["revocations.yaml:0: is not read: did you mean revocations.yml?"]


def test_an_environment_without_issuers_is_refused(folder: Path) -> None:
    assert problems(folder, "prod") == [
        "issuers.yml:0: environment 'prod' has no issuer; there are: production, staging"
    ]


def test_issuers_that_cannot_be_read_are_not_missing_as_well(folder: Path) -> None:
    (folder / "policy/issuers.yml").unlink()
    assert problems(folder) == ["issuers.yml:0: cannot be read: No such file or directory"]


def test_an_issuer_without_keys_is_refused_unless_that_is_allowed(folder: Path) -> None:
    (folder / "keys/first.jwks.json").unlink()
    assert len(problems(folder)) == 1
    decision = load(folder, empty=True).judge.judge(asked(), 1_500.0).decision
    assert isinstance(decision, Denied)
    assert decision.token_error is TokenError.UNKNOWN_KEY


def test_every_problem_of_policy_and_keys_is_reported_at_once(folder: Path) -> None:
    write(folder / "policy/catalog/unit_primitives/read.yml", "name: other\n")
    write(folder / "policy/issuers.yml", ISSUERS.replace("max_lifetime: 1h, environment", "max_life: 1h, environment"))
    write(folder / "policy/rules/alpha.yml", RULES.replace("[GET]", "[get]", 1))
    write(folder / "policy/tiers.yml", TIERS.replace("10", "0"))
    write(folder / "policy/revocations.yml", "")
    told_now = problems(folder)
    assert {problem.split(":")[0] for problem in told_now} == {
        "read.yml",
        "issuers.yml",
        "alpha.yml",
        "tiers.yml",
        "revocations.yml",
    }
    write(folder / "policy/issuers.yml", ISSUERS)
    write(folder / "keys/first.jwks.json", "{")
    assert {problem.split(":")[0] for problem in problems(folder)} > {"first.jwks.json", "alpha.yml"}


def test_warnings_are_kept_for_who_starts_it(folder: Path) -> None:
    file = folder / "policy/catalog/backend_services/alpha.yml"
    file.write_text(file.read_text() + "newer: 1\n")
    assert shown(load(folder).warnings) == ["alpha.yml:6: unknown key 'newer' is ignored"]


def test_the_same_files_have_the_same_revision(folder: Path) -> None:
    first = load(folder).revision
    assert load(folder).revision == first
    assert len(first) == 16


@pytest.mark.parametrize(
    "changed",
    [
        "policy/catalog/backend_services/alpha.yml",
        "policy/catalog/unit_primitives/read.yml",
        "policy/issuers.yml",
        "policy/rules/alpha.yml",
        "policy/tiers.yml",
        "policy/revocations.yml",
        "keys/first.jwks.json",
    ],
)
def test_any_change_is_another_revision(folder: Path, changed: str) -> None:
    file = folder / changed
    write(folder / "policy/revocations.yml", "users: []\n")
    text = file.read_text()
    revisions = set()
    for more in ("", " \n", "\n "):  # more of it, and as much of it
        file.write_text(text + more)
        revisions.add(load(folder).revision)
    assert len(revisions) == 3


def test_a_file_more_or_of_another_name_is_another_revision(folder: Path) -> None:
    revisions = [load(folder).revision]
    (folder / "policy/rules/alpha.yml").rename(folder / "policy/rules/beta.yml")
    revisions.append(load(folder).revision)
    (folder / "policy/rules/beta.yml").rename(folder / "policy/rules/beta.yaml")
    revisions.append(load(folder).revision)
    write(folder / "policy/rules/beta.yaml", RULES + "# changed")
    revisions.append(load(folder).revision)
    write(folder / "policy/catalog/add_ons/some.yml", "name: some\ndescription: d\n")
    revisions.append(load(folder).revision)
    assert len(set(revisions)) == 5


def test_how_a_volume_is_mounted_changes_no_revision(folder: Path) -> None:
    before = load(folder).revision
    write(folder / "policy/rules/..2026_01_01/alpha.yml", RULES)
    assert load(folder).revision == before


def test_what_cannot_be_read_and_is_not_needed_changes_nothing(folder: Path) -> None:
    before = load(folder).revision
    (folder / "keys/other.jwks.json").mkdir()
    (folder / "policy/notes.yml").mkdir()
    assert load(folder).revision == before
