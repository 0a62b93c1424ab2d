"""The command line: development keys and tokens, how mistakes are reported, and help that can be read."""

import json
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
import yaml
from click.testing import CliRunner, Result

from authz.cli import main
from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.check import Check
from authz.deciding.decision import Allowed, Decision, Identity
from authz.deciding.judge import Judge
from authz.deciding.request import to_request
from authz.policy.load import load_policy
from tests.support.cases.case_file import POLICY
from tests.support.minting import INSTANCE, USER, client_headers, request
from tests.support.tables import row
from tests.support.tiers import tier_of

ISSUERS: Final = {entry["name"]: entry for entry in yaml.safe_load((POLICY / "issuers.yml").read_text())["issuers"]}
CHAINED: Final = [name for name, entry in ISSUERS.items() if "certificate_chain" in entry.get("trust", ())]
PUBLIC: Final = [
    file for name in ISSUERS for file in (f"{name}.jwks.json", *([f"{name}.ca.pem"] if name in CHAINED else []))
]


def run(*arguments: str, variables: dict[str, str] | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments, env={"AUTHZ_POLICY": None, "AUTHZ_KEYS": None, **(variables or {})})


def error_line(result: Result) -> str:
    """Return what a failed command says last; nothing on standard output, no traceback."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def refused(*arguments: str, code: int = 1) -> str:
    """Return the last line of a command that fails with that code."""
    result = run(*arguments)
    assert result.exit_code == code
    return error_line(result)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `authz keys generate` filled."""
    folder = tmp_path_factory.mktemp("cli") / "keys"
    result = run("keys", "generate", str(folder))
    assert result.exit_code == 0
    return folder


def issued(keys: Path, issuer: str, *more: str) -> str:
    """Return a token, which is all that its command prints."""
    who = ("--user", USER) if ISSUERS[issuer]["token_type"] == "user" else ()
    result = run("token", "issue", "--keys", str(keys), "--issuer", issuer, "--instance-id", INSTANCE, *who, *more)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    return result.stdout.strip()


def decided(keys: Path, message: bytes, environment: str = "production") -> Decision:
    """Return what is decided on a message now."""
    return judge(keys, environment).judge(to_request(message), time.time()).decision


def granted(keys: Path, message: bytes) -> Identity:
    """Return whom a message is allowed for."""
    decision = decided(keys, message)
    assert isinstance(decision, Allowed)
    assert decision.identity is not None
    return decision.identity


def judge(keys: Path, environment: str = "production") -> Judge:
    policy = load_policy(POLICY, keys, environment, allow_empty_issuers=False, allow_unlabelled_routes=False)
    return policy.judge


def check(keys: Path, environment: str = "production") -> Check:
    return Check(judge(keys, environment), time.time, lambda error: pytest.fail(repr(error)))


def test_generate_prints_each_public_file_and_makes_the_private_ones_beside_them(tmp_path: Path) -> None:
    result = run("keys", "generate", str(tmp_path / "keys"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [str(tmp_path / "keys" / file) for file in PUBLIC]
    made = {str(path.relative_to(tmp_path / "keys")) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {
        *PUBLIC,
        "private/authority.pem",
        *(f"private/{name}.pem" for name in ISSUERS),
        *(f"private/{name}.chain.pem" for name in CHAINED),
    }


def test_private_halves_are_for_their_owner_alone(keys: Path) -> None:
    assert stat.S_IMODE((keys / "private").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (keys / "private").iterdir()} == {0o600}
    assert not any("PRIVATE" in file.read_text() for file in keys.glob("*.*"))


def test_pairs_that_exist_are_kept(keys: Path) -> None:
    before = {file: file.read_bytes() for file in keys.rglob("*") if file.is_file()}
    result = run("keys", "generate", str(keys))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [f"kept {keys}/{file}" for file in PUBLIC]
    assert {file: file.read_bytes() for file in keys.rglob("*") if file.is_file()} == before


def test_certificates_are_made_for_pairs_that_exist_and_one_that_is_missing_for_the_authority_there(
    tmp_path: Path, keys: Path
) -> None:
    folder = shutil.copytree(keys, tmp_path / "keys")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    (folder / "customers-dot.ca.pem").unlink()
    (folder / "private/gitlab-com.chain.pem").unlink()
    result = run("keys", "generate", str(folder))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{folder}/gitlab-com.ca.pem", f"{folder}/customers-dot.ca.pem"]
    changed = {file.name for file, content in before.items() if file.read_bytes() != content}
    assert changed == {"gitlab-com.chain.pem"}


@pytest.mark.parametrize(
    ("content", "told_it"),
    [(None, "has roots whose authority is not in this folder"), ("junk", "authority.pem is damaged or was changed")],
)
def test_a_root_without_its_authority_is_not_replaced(
    tmp_path: Path, keys: Path, content: str | None, told_it: str
) -> None:
    folder = shutil.copytree(keys, tmp_path / "keys")
    (folder / "private/gitlab-com.chain.pem").unlink()
    (folder / "private/authority.pem").unlink()
    if content is not None:
        (folder / "private/authority.pem").write_text(content)
    result = run("keys", "generate", str(folder))
    assert result.exit_code == 1
    assert told_it in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("inside", ["", "keys", "keys/deeper", "../data/keys"])
def test_keys_are_never_made_inside_the_package(inside: str) -> None:
    before = sorted(POLICY.rglob("*"))
    assert refused("keys", "generate", str(POLICY / inside), code=2).endswith(
        "is inside the package: private keys never belong there, name another folder"
    )
    assert sorted(POLICY.rglob("*")) == before


def test_a_link_into_the_package_is_inside_the_package(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(POLICY / "keys")
    assert run("keys", "generate", str(tmp_path / "link")).exit_code == 2


def test_a_public_half_without_its_private_one_is_not_replaced(tmp_path: Path, keys: Path) -> None:
    shutil.copytree(keys, tmp_path / "keys")
    kept = tmp_path / "keys/gitlab-com.jwks.json"
    (tmp_path / "keys/private/gitlab-com.pem").unlink()
    before = kept.read_bytes()
    result = run("keys", "generate", str(tmp_path / "keys"))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: {kept}: ")
    assert kept.read_bytes() == before


def test_a_private_half_gets_its_lost_public_one_back(tmp_path: Path, keys: Path) -> None:
    shutil.copytree(keys, tmp_path / "keys")
    lost = tmp_path / "keys/gitlab-com.jwks.json"
    before = json.loads(lost.read_text())["keys"][0]
    lost.unlink()
    assert run("keys", "generate", str(tmp_path / "keys")).exit_code == 0
    after = json.loads(lost.read_text())["keys"][0]
    assert {**after, "created_at": None} == {**before, "created_at": None}


@pytest.mark.parametrize("folder", ["", "."])
def test_keys_are_not_made_in_the_current_folder(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("keys", "generate", folder, code=2).endswith("private keys need a folder of their own, name one")
    assert list(tmp_path.iterdir()) == []


def test_a_private_folder_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "keys/private").mkdir(parents=True, mode=0o777)
    (tmp_path / "keys/private").chmod(0o777)
    assert run("keys", "generate", str(tmp_path / "keys")).exit_code == 0
    assert (tmp_path / "keys/private").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("flags", "mend"),
    [
        (("--realm", "moon"), "(wrong_realm): --realm of issuer 'customers-dot' is self-managed"),
        (("--expires-in", "0s"), "(expired): --expires-in is at least 1s"),
        (("--instance-id", ""), "(invalid_claim): --user, --instance-id and --realm have 1 to 256 characters"),
        (("--instance-id", "a b"), "(invalid_claim): --user, --instance-id and --realm have 1 to 256 characters"),
    ],
    ids=["another realm", "no life", "no instance", "no identifier"],
)
def test_a_token_that_the_service_would_refuse_is_not_signed(keys: Path, flags: tuple[str, ...], mend: str) -> None:
    result = run("token", "issue", "--keys", str(keys), *INSTANCE_TOKEN, *flags)
    assert result.exit_code == 2
    assert mend in error_line(result)
    assert result.stdout == ""


def test_a_folder_that_cannot_be_written_is_one_clear_line() -> None:
    assert refused("keys", "generate", "/proc/1/keys").startswith("Error: /proc/1/keys")


def test_a_broken_issuers_file_is_reported_with_its_line(tmp_path: Path) -> None:
    shutil.copytree(POLICY, tmp_path / "policy")
    file = tmp_path / "policy/issuers.yml"
    file.write_text(file.read_text().replace("max_lifetime: 1h", "max_lifetime: long", 1))
    for command in (
        ("keys", "generate", str(tmp_path / "keys")),
        ("token", "issue", "--keys", str(tmp_path), "--issuer", "gitlab-com", "--all-scopes"),
    ):
        result = run(*command, "--policy", str(tmp_path / "policy"))
        assert result.exit_code == 1
        assert error_line(result) == "authz: 1 problem to fix"
        assert result.stderr.startswith(f"{file}:")
    assert not (tmp_path / "keys").exists()


OPENED: Final = {
    "ai_gateway": ("/ai/v2/code/completions", "complete_code"),
    "duo_workflow_service": ("/duo-workflow/v1/workflows", "duo_workflow_execute_workflow"),
}


@pytest.mark.parametrize("issuer", ISSUERS)
def test_a_token_of_each_issuer_opens_its_environments_door(keys: Path, issuer: str) -> None:
    realm = ISSUERS[issuer].get("realms", ["self-managed"])[0]
    backend = ISSUERS[issuer].get("backend_services", ["ai_gateway"])[0]
    path, scope = OPENED[backend]
    token = issued(keys, issuer, "--scope", scope, "--backend-service", backend)
    headers = client_headers(token, overrides={"x-gitlab-realm": realm})
    answer = CheckResponse.FromString(
        check(keys, ISSUERS[issuer].get("environment", "production"))(request(path, headers=headers))
    )
    assert (answer.status.code, answer.WhichOneof("http_response")) == (0, "ok_response")
    facts = {name: value.string_value for name, value in answer.dynamic_metadata.fields.items()}
    tier = "large" if realm == "saas" else "any"
    assert (facts["issuer"], facts["unit_primitive"], facts["tier"]) == (issuer, scope, tier)


@pytest.mark.parametrize("other", ["production", "staging"])
def test_a_token_of_one_environment_does_not_open_the_other(keys: Path, other: str) -> None:
    issuer = "customers-dot-staging" if other == "production" else "customers-dot"
    token = issued(keys, issuer, "--all-scopes")
    assert CheckResponse.FromString(check(keys, other)(request(token=token))).denied_response.status.code == 401


def test_what_the_flags_say_is_what_the_token_says(keys: Path) -> None:
    token = issued(
        keys, "customers-dot", "--scope", "security_scans", "--scope", "duo_chat", "--seats", "150",
        "--backend-service", "sast", "--expires-in", "3d",
    )  # fmt: skip
    rules = yaml.safe_load((POLICY / "rules/sast.yml").read_text())
    rule = next(rule for rule in rules["rules"] if "{" not in rule["path"] and "unit_primitives" in rule)
    message = request(rules["prefix"] + rule["path"], method=rule["methods"][0], token=token)
    identity = granted(keys, message)
    claims = identity.claims
    assert (claims.seats, identity.tier) == (150, tier_of(150))
    assert claims.scopes == {"security_scans", "duo_chat"}
    assert claims.expires - claims.issued == 3 * 86_400
    assert claims.instance_id == claims.subject == INSTANCE


def test_all_scopes_are_those_of_the_backend(keys: Path) -> None:
    scopes = granted(keys, request(token=issued(keys, "customers-dot", "--all-scopes"))).claims.scopes
    assert {"complete_code", "duo_chat"} <= scopes
    assert "security_scans" not in scopes


CUSTOMER: Final = ("--license-type", "ultimate", "--gitlab-version", "17.8")


def entitled(keys: Path, *more: str, path: str = "/ai/v2/code/completions") -> frozenset[str]:
    """Return the scopes of a token for a customer."""
    return granted(keys, request(path, token=issued(keys, "customers-dot", *CUSTOMER, *more))).claims.scopes


def test_a_customers_token_grants_what_it_is_entitled_to(keys: Path) -> None:
    scopes = entitled(keys, "--add-on", "duo_pro", "--operator", "gitlab_cloud_operator")
    assert {"complete_code", "duo_chat", "explain_code", "include_terminal_context"} <= scopes
    assert scopes.isdisjoint({"ask_build", "amazon_q_integration", "security_scans", "include_repository_context"})


def test_several_add_ons_grant_what_each_does(keys: Path) -> None:
    both = entitled(keys, "--add-on", "duo_pro", "--add-on", "duo_enterprise")
    assert both > entitled(keys, "--add-on", "duo_pro")
    assert "ask_build" in both


def test_a_customers_token_is_for_one_backend(keys: Path) -> None:
    token = issued(keys, "customers-dot", *CUSTOMER, "--backend-service", "sast")
    assert granted(keys, request("/sast/scan", token=token, label="sast")).claims.scopes == {"security_scans"}


def test_a_customer_that_is_entitled_to_nothing_gets_no_token(keys: Path) -> None:
    assert "this customer is entitled to no unit primitive of ai_gateway" in refused(
        "token", "issue", "--keys", str(keys), "--issuer", "customers-dot", "--license-type", "free"
    )


def test_a_token_needs_no_flag_beyond_issuer_and_scope(keys: Path) -> None:
    result = run("token", "issue", "--issuer", "customers-dot", "--all-scopes", variables={"AUTHZ_KEYS": str(keys)})
    assert result.exit_code == 0
    instance = "00000000-0000-4000-8000-000000000001"
    headers = client_headers(result.stdout.strip(), overrides={"x-gitlab-instance-id": instance})
    assert isinstance(decided(keys, request(headers=headers)), Allowed)


INSTANCE_TOKEN: Final = ("--issuer", "customers-dot", "--scope", "complete_code")
DOT: Final = "--issuer customers-dot"
ONE: Final = f"{DOT} --scope complete_code"
WHICH: Final = "either --scope, once or more, or --all-scopes, or what a customer is entitled to"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        row("no issuer", "--all-scopes", "Missing option '--issuer'"),
        row("an unknown issuer", "--issuer nobody --all-scopes", "issuer 'nobody' is not in "),
        row("no scope", DOT, "either --scope, once or more, or --all-scopes"),
        row("scopes and a customer", f"{ONE} --license-type ultimate", WHICH),
        row("all scopes and a customer", f"{DOT} --all-scopes --add-on duo_pro", WHICH),
        row(
            "a customer without a license", f"{DOT} --add-on duo_pro", "which license the customer has: --license-type"
        ),
        row(
            "an unknown license",
            f"{DOT} --license-type gold",
            "license type 'gold' is not in the catalog; there are: free, premium, ultimate",
        ),
        row(
            "an unknown add-on",
            f"{DOT} --license-type premium --add-on duo_pr0",
            "add-on 'duo_pr0' is not in the catalog; there are: duo_amazon_q, duo_core, duo_enterprise, duo_pro",
        ),
        row(
            "an unknown operator",
            f"{DOT} --license-type premium --operator me",
            "operator 'me' is not in the catalog; there are: amazon_q_operator, gitlab_cloud_operator, self_",
        ),
        row(
            "a version that is none",
            f"{DOT} --license-type premium --gitlab-version seventeen",
            "'seventeen' should be a GitLab version such as '17.8'",
        ),
        row("scopes in two ways", f"{ONE} --all-scopes", "either --scope, once or more, or --all-scopes"),
        row("an unknown scope", f"{ONE} --scope fly", "unit primitive 'fly' is not in the catalog"),
        row(
            "an unknown backend",
            f"{ONE} --backend-service moon",
            "backend service 'moon' is not in the catalog; there ",
        ),
        row("a user for an instance's issuer", f"{ONE} --user u", "issuer 'customers-dot' takes no --user"),
        row("no user for a user's issuer", "--issuer ai-gateway --all-scopes", "issuer 'ai-gateway' needs --user"),
        row("too long a life", f"{ONE} --expires-in 4d", "is at most the max_lifetime of issuer 'customers-dot', 72h"),
        row("a life without unit", f"{ONE} --expires-in 60", "'60' should be a number and a unit"),
        row("seats below none", f"{ONE} --seats -1", "-1 is not in the range x>=0"),
        row("seats that are no number", f"{ONE} --seats many", "'many' is not a valid integer"),
        row("an unknown flag", f"{ONE} --scopes x", "No such option"),
    ],
)
def test_a_mistake_in_the_usage_is_reported(keys: Path, arguments: str, problem: str) -> None:
    assert problem in refused("token", "issue", "--keys", str(keys), *arguments.split(), code=2)


def test_a_token_needs_the_folder_of_its_keys() -> None:
    assert "Missing option '--keys'" in refused("token", "issue", *INSTANCE_TOKEN, code=2)


def test_a_pair_that_was_not_made_is_reported_with_the_command_that_makes_it(tmp_path: Path) -> None:
    assert refused("token", "issue", "--keys", str(tmp_path / "none"), *INSTANCE_TOKEN).endswith(
        f"'authz keys generate {tmp_path / 'none'}' makes it"
    )


@pytest.mark.parametrize("issuer", CHAINED)
@pytest.mark.parametrize("placement", [(), ("header",), ("claims",)], ids=["by default", "header", "claims"])
def test_a_token_by_chain_opens_the_door(keys: Path, issuer: str, placement: tuple[str, ...]) -> None:
    signed = issued(keys, issuer, "--scope", "complete_code", "--chain", *placement)
    part = jwt.get_unverified_header(signed) if placement != ("claims",) else unverified(signed)
    assert len(part["x5c"]) == 2
    assert "kid" not in jwt.get_unverified_header(signed)
    headers = client_headers(signed, issuer.removesuffix("-staging"))
    decision = decided(keys, request(headers=headers), ISSUERS[issuer].get("environment", "production"))
    assert isinstance(decision, Allowed), decision


def unverified(signed: str) -> dict[str, Any]:  # Any: JSON
    claims: dict[str, Any] = jwt.decode(signed, options={"verify_signature": False})
    return claims


def test_an_issuer_that_trusts_no_chains_signs_none(keys: Path) -> None:
    who = ("--issuer", "ai-gateway", "--user", USER, "--scope", "duo_chat")
    assert refused("token", "issue", "--keys", str(keys), *who, "--chain", code=2).endswith(
        "takes no --chain: it does not list certificate_chain under trust"
    )


@pytest.mark.parametrize(
    "content", [None, "", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_chain_that_is_missing_or_damaged_is_one_clear_line(tmp_path: Path, keys: Path, content: str | None) -> None:
    folder = shutil.copytree(keys, tmp_path / "keys")
    (folder / "private/customers-dot.chain.pem").unlink()
    if content is not None:
        (folder / "private/customers-dot.chain.pem").write_text(content)
    assert "customers-dot.chain.pem" in refused("token", "issue", "--keys", str(folder), *INSTANCE_TOKEN, "--chain")


@pytest.mark.parametrize("half", ["private/customers-dot.pem", "customers-dot.jwks.json"])
@pytest.mark.parametrize("content", ["", "{}", "nonsense"])
def test_a_pair_that_was_damaged_is_one_clear_line(tmp_path: Path, keys: Path, half: str, content: str) -> None:
    shutil.copytree(keys, tmp_path / "keys")
    (tmp_path / "keys" / half).write_text(content)
    assert refused("token", "issue", "--keys", str(tmp_path / "keys"), *INSTANCE_TOKEN).startswith("Error: ")


@pytest.mark.parametrize("command", [(), ("serve",), ("keys",), ("keys", "generate"), ("token",), ("token", "issue")])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_has_help(command: tuple[str, ...], flag: str) -> None:
    result = run(*command, flag)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: {' '.join(('main', *command))} ")


def test_help_names_every_flag_with_its_variable() -> None:
    text = run("serve", "--help").stdout
    flags = re.findall(r"^ +(--[a-z-]+)", text, re.MULTILINE)
    assert len(set(flags)) > 12
    for flag in set(flags) - {"--help"}:
        assert "AUTHZ_" + flag[2:].replace("-", "_").upper() in text


@pytest.mark.parametrize("command", [("fly",), ("keys", "fly"), ("token", "fly")])
def test_an_unknown_command_is_a_usage_error(command: tuple[str, ...]) -> None:
    assert "No such command 'fly'" in refused(*command, code=2)


def test_the_program_tells_its_version() -> None:
    script = Path(sys.executable).with_name("authz")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("authz, version ")


def test_the_program_ends_with_the_code_of_its_command() -> None:
    script = Path(sys.executable).with_name("authz")
    assert subprocess.run([script, "fly"], capture_output=True, check=False, timeout=60).returncode == 2
