"""`authz catalog`: what it shows, what it writes, and how it reports mistakes."""

import json
import os
import pty
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result

from authz.cli import main
from tests.support.cases.case_file import POLICY
from tests.support.files import contents
from tests.support.json_schema import faults
from tests.support.repository import UPSTREAM
from tests.support.tables import row

NEW: Final = (
    "add", "explain_pipeline", "--description", "Explains a pipeline: its jobs, and what failed.",
    "--group", "group::pipeline execution", "--feature-category", "continuous_integration",
    "--documentation-url", "https://docs.gitlab.com/ci/", "--backend-service", "ai_gateway",
)  # fmt: skip
WRITTEN: Final = """\
# yaml-language-server: $schema=../../schema/unit_primitives.json
---
name: explain_pipeline
description: 'Explains a pipeline: its jobs, and what failed.'
group: group::pipeline execution
feature_category: continuous_integration
documentation_url: https://docs.gitlab.com/ci/
"""


def run(*arguments: str, policy: Path | None = None) -> Result:
    """Run `authz catalog` in this process."""
    where = () if policy is None else ("--policy", str(policy))
    return CliRunner().invoke(main, ("catalog", *arguments, *where), env={"AUTHZ_POLICY": None})


def done(*arguments: str, policy: Path | None = None) -> str:
    """Return what a command printed that had nothing to complain of."""
    result = run(*arguments, policy=policy)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(*arguments: str, policy: Path | None = None, code: int = 2) -> str:
    """Return what a refused command says; it prints no result and no traceback."""
    result = run(*arguments, policy=policy)
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr


def listed(*arguments: str, policy: Path | None = None) -> set[str]:
    return {entry["name"] for entry in json.loads(done("list", "--format", "json", *arguments, policy=policy))}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the shipped policy, to be changed."""
    shutil.copytree(POLICY, tmp_path / "policy", ignore=shutil.ignore_patterns("keys"))
    return tmp_path / "policy"


def unit(policy: Path, name: str) -> Path:
    return policy / f"catalog/unit_primitives/{name}.yml"


# list and show


def test_list_is_a_table_of_every_unit_primitive() -> None:
    heading, *rows = done("list").splitlines()
    assert heading.split("  ")[0] == "UNIT PRIMITIVE"
    assert [row.split()[0] for row in rows] == sorted(
        file.stem for file in (POLICY / "catalog/unit_primitives").iterdir()
    )
    assert max(map(len, rows)) < 130
    assert not any(row.endswith(" ") for row in rows)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--add-on", "duo_amazon_q", "--license-type", "ultimate", "--feature-category", "code_suggestions"),
         {"complete_code", "generate_code"}),
        (("--backend-service", "duo_workflow_service"),
         {"duo_agent_platform", "duo_chat", "duo_workflow_execute_workflow", "duo_workflow_generate_token",
          "self_hosted_duo_agent_platform"}),
        (("--backend", "sast"), {"security_scans"}),
        (("--operator", "amazon_q_operator", "--feature-category", "vulnerability_management"),
         {"explain_vulnerability", "resolve_vulnerability"}),
        (("--free", "--feature-category", "global_search"), {"generate_embeddings_codebase"}),
        (("--free", "--feature-category", "code_suggestions"), set()),
        (("--free", "--feature-category", "code_suggestions", "--at", "2024-02-14 23:59:59 UTC"),
         {"code_suggestions", "complete_code", "generate_code"}),
        (("--free", "--feature-category", "code_suggestions", "--at", "2024-02-15"), set()),
        (("--deprecated",), set()),
    ],
)  # fmt: skip
def test_filters_narrow_the_list_together(filters: tuple[str, ...], names: set[str]) -> None:
    assert listed(*filters) == names


def test_the_deprecated_are_listed_and_marked() -> None:
    assert listed("--deprecated", policy=UPSTREAM) == {"security_scans"}
    assert "paid since 2025-01-16, deprecated" in done("list", "--deprecated", policy=UPSTREAM)


def test_access_is_shown_for_the_moment_that_is_asked_for() -> None:
    table = done("list", "--backend", "sast", "--at", "2024-01-01", policy=UPSTREAM)
    assert "security_scans         sast              free until 2025-01-16, deprecated" in table


def test_a_list_without_rows_says_so_beside_the_result() -> None:
    result = run("list", "--deprecated")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no unit primitive matches\n")


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        (("--add-on", "duo"), "add-on 'duo' is not in the catalog; there are: duo_amazon_q, duo_core, "),
        (("--license-type", "gold"), "license type 'gold' is not in the catalog; there are: free, premium, ultimate"),
        (("--backend", "x"), "backend service 'x' is not in the catalog; there are: ai_gateway, "),
        (("--operator", "x"), "operator 'x' is not in the catalog; there are: amazon_q_operator, "),
        (
            ("--feature-category", "chat"),
            "feature category 'chat' is not in the catalog; there are: activation, code_review_workflow",
        ),
        (("--at", "soon"), "'soon' should be a date such as 2024-10-17 00:00:00 UTC"),
        (("--format", "xml"), "'xml' is not one of 'text', 'json'"),
    ],
)
def test_a_filter_that_nothing_can_pass_is_a_mistake(filters: tuple[str, ...], problem: str) -> None:
    assert problem in refused("list", *filters)


def test_show_says_what_the_file_says_and_what_uses_it() -> None:
    shown = done("show", "security_scans", policy=UPSTREAM).splitlines()
    assert "deprecation_message  Runs in the editor from 18.0 on" in shown
    assert "access               paid since 2025-01-16, deprecated" in shown
    assert shown[-1] == f"used_by              {UPSTREAM}/config/services/security_scans.yml:8"


def test_show_finds_rules_and_services_by_line(policy: Path) -> None:
    shown: dict[str, Any] = json.loads(done("show", "complete_code", "--format", "json", policy=policy))
    assert shown["name"] == "complete_code"
    assert (shown["free"], shown["deprecated"]) == (False, False)
    assert shown["cut_off_date"] == "2024-02-15T00:00:00Z"
    assert shown["file"] == str(unit(policy, "complete_code"))
    for use in shown["used_by"]:
        file, _, line = use.rpartition(":")
        assert "complete_code" in Path(file).read_text().splitlines()[int(line) - 1]
    assert {Path(use.rpartition(":")[0]).name for use in shown["used_by"]} == {"ai_gateway.yml", "ai_gateway_auth.yml"}


def test_show_includes_keys_that_we_do_not_know_and_uses_by_another_name() -> None:
    shown: dict[str, Any] = json.loads(done("show", "documentation_search", "--format", "json", policy=UPSTREAM))
    assert shown["owners"] == ["somebody"]
    assert shown["used_by"] == [f"{UPSTREAM}/config/services/duo_chat.yml:8"]


@pytest.mark.parametrize("command", ["show", "update", "deprecate", "remove"])
@pytest.mark.parametrize(
    ("name", "hint"), [("compleet_code", "did you mean 'complete_code'?"), ("zzz", "'authz catalog list' names them")]
)
def test_a_name_that_is_not_there_is_reported_with_the_nearest(command: str, name: str, hint: str) -> None:
    more = {"update": ("--description", "d"), "deprecate": ("--message", "m", "--url", "https://x.example")}
    assert f"unit primitive '{name}' is not in the catalog; {hint}" in refused(command, name, *more.get(command, ()))


# add


def test_add_writes_a_file_in_the_schema(policy: Path) -> None:
    printed = done(
        *NEW, "--license-type", "premium", "--license-type", "ultimate", "--add-on", "duo_pro", "--add-on", "duo_pro",
        "--cut-off-date", "2026-03-01", "--min-gitlab-version", "17.10", "--milestone", "18.1", policy=policy,
    )  # fmt: skip
    assert printed == f"{unit(policy, 'explain_pipeline')}\n"
    assert unit(policy, "explain_pipeline").read_text() == WRITTEN + (
        "milestone: '18.1'\ncut_off_date: 2026-03-01 00:00:00 UTC\nmin_gitlab_version: '17.10'\n"
        "license_types:\n  - premium\n  - ultimate\nbackend_services:\n  - ai_gateway\nadd_ons:\n  - duo_pro\n"
    )
    assert "explain_pipeline" in listed("--free", "--at", "2026-02-28 23:59:59 UTC", policy=policy)


def test_a_catalog_without_schemas_gets_files_that_name_none(tmp_path: Path) -> None:
    shutil.copytree(UPSTREAM / "config", tmp_path / "config")
    done(*NEW, policy=tmp_path)
    assert (tmp_path / "config/unit_primitives/explain_pipeline.yml").read_text().startswith("---\nname: explain")


def test_add_says_which_flags_are_missing(policy: Path) -> None:
    assert (
        "missing: NAME, --description, --group, --feature-category, --documentation-url, --backend-service "
        in refused("add", policy=policy)
    )
    assert "missing: --group, --backend-service (on a terminal they would be asked for)" in refused(
        "add", "a", "--description", "d", "--feature-category", "c", "--documentation-url", "https://d", policy=policy
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--add-on", "duo"), "add-on 'duo' is not in the catalog; there are: duo_amazon_q, duo_core, "),
        (("--backend-service", "x"), "backend service 'x' is not in the catalog; there are: ai_gateway, "),
        (("--license-type", "x"), "license type 'x' is not in the catalog; there are: free, premium, ultimate"),
        (("--operator", "x"), "operator 'x' is not in the catalog; there are: amazon_q_operator, "),
        (("--operator", "X y"), "'X y' should be lower-case letters, digits and underscores"),
        (("--group", "chat"), "'chat' should be the group that owns it, such as group::duo chat"),
        (("--cut-off-date", "soon"), "'soon' should be a date such as 2024-10-17 00:00:00 UTC"),
        (("--min-gitlab-version", "17"), "'17' should be a GitLab version such as '17.8'"),
        (("--documentation-url", "docs"), "'docs' should be a URL"),
        (("--description", "two\nlines"), "'two\\nlines' should be one line of text"),
        (("--description", "\udc80"), "'\\udc80' should be one line of text"),
        (("--description", " "), "'' String should have at least 1 character"),
    ],
)
def test_a_value_that_is_not_allowed_is_reported_with_its_flag(
    more: tuple[str, ...], problem: str, policy: Path
) -> None:
    before = contents(policy)
    assert problem in refused(*NEW, *more, policy=policy)
    assert contents(policy) == before


@pytest.mark.parametrize("name", ["Explain", "explain-it", "../x", "", "a/b", ".", "x" * 65])
def test_a_name_that_is_not_a_name_is_reported(name: str, policy: Path) -> None:
    assert "should be lower-case letters, digits and underscores" in refused("add", name, *NEW[2:], policy=policy)


def test_add_changes_nothing_that_exists(policy: Path) -> None:
    before = contents(policy)
    message = "'duo_chat' is in the catalog already; 'authz catalog update duo_chat' changes it"
    assert message in refused("add", "duo_chat", *NEW[2:], policy=policy)
    assert contents(policy) == before


def on_a_terminal(policy: Path, *arguments: str, answers: str) -> tuple[int, str, str]:
    """Run a command with answers typed; return its code, its result, and what it asked."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "authz", "catalog", *arguments, "--policy", str(policy)]
    with subprocess.Popen(
        command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        os.close(slave)
        os.write(master, answers.encode())
        try:
            out, asked = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(master)
    return process.returncode, out, asked


def test_on_a_terminal_add_asks_for_what_is_missing_until_it_fits(policy: Path) -> None:
    answers = [
        "Explains a pipeline: its jobs, and what failed.", "pipelines", "group::pipeline execution",
        "continuous_integration", "https://docs.gitlab.com/ci/", "", "moon", "ai_gateway",
        "premium, ultimate", "", "gitlab_cloud_operator", "2026-03-01", "seventeen", "17.10", "",
    ]  # fmt: skip
    code, out, asked = on_a_terminal(
        policy, "add", "explain_pipeline", answers="".join(f"{each}\n" for each in answers)
    )
    assert (code, out) == (0, f"{unit(policy, 'explain_pipeline')}\n")
    assert unit(policy, "explain_pipeline").read_text() == WRITTEN + (
        "cut_off_date: 2026-03-01 00:00:00 UTC\nmin_gitlab_version: '17.10'\nlicense_types:\n  - premium\n"
        "  - ultimate\nbackend_services:\n  - ai_gateway\noperators:\n  - gitlab_cloud_operator\n"
    )
    assert (
        "Backend services (of ai_gateway, duo_workflow_service, observability, sast; several with commas between "
        "them): " in asked
    )
    for problem in (
        "'pipelines' should be the group that owns it",
        "this is required",
        "backend service 'moon' is not in the catalog; there are: ai_gateway, ",
        "'seventeen' should be a GitLab version",
    ):
        assert f"Error: {problem}" in asked


def test_on_a_terminal_nothing_is_asked_when_nothing_is_missing(policy: Path) -> None:
    assert on_a_terminal(policy, *NEW, answers="") == (0, f"{unit(policy, 'explain_pipeline')}\n", "")


def test_an_add_that_is_given_up_leaves_nothing_behind(policy: Path) -> None:
    before = contents(policy)
    code, out, _ = on_a_terminal(policy, "add", "explain_pipeline", answers="Explains.\n\x04")
    assert (code, out) == (1, "")
    assert contents(policy) == before


# update, deprecate, remove


def test_update_changes_one_line_and_leaves_the_others(policy: Path) -> None:
    file = unit(policy, "duo_chat")
    before = file.read_text().replace("add_ons:\n", "# Sold since spring.\nadd_ons:\n  # the small one\n")
    file.write_text(before)
    add_ons = ("--add-on", "duo_core", "--add-on", "duo_pro", "--add-on", "duo_enterprise")
    assert done("update", "duo_chat", *add_ons, "--min-gitlab-version", "17.0", policy=policy) == f"{file}\n"
    after = before.replace("  - duo_amazon_q\n", "").replace("min_gitlab_version: '16.8'", "min_gitlab_version: '17.0'")
    assert file.read_text() == after


def test_update_clears_keys(policy: Path) -> None:
    done("update", "duo_chat", "--clear", "cut_off_date", "--clear", "min_gitlab_version", policy=policy)
    shown: dict[str, Any] = json.loads(done("show", "duo_chat", "--format", "json", policy=policy))
    assert shown["free"]
    assert not {"cut_off_date", "min_gitlab_version"} & shown.keys()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "say what to change"),
        (("--clear", "description"), "'description' is not one of "),
        (("--clear", "name"), "'name' is not one of "),
        (("--clear", "add_ons", "--add-on", "duo_pro"), "add_ons is both given and cleared"),
        (("--add-on", "x"), "add-on 'x' is not in the catalog"),
        (("--cut-off-date", "x"), "'x' should be a date"),
        (("--name", "x"), "No such option"),
    ],
)
def test_a_mistake_in_an_update_changes_nothing(arguments: tuple[str, ...], problem: str, policy: Path) -> None:
    before = contents(policy)
    assert problem in refused("update", "duo_chat", *arguments, policy=policy)
    assert contents(policy) == before


def test_an_update_that_breaks_a_rule_names_its_line_and_changes_nothing(policy: Path) -> None:
    before = contents(policy)
    problems = refused(
        "update", "security_scans", "--backend-service", "ai_gateway", policy=policy, code=1
    ).splitlines()
    assert len(problems) == 2
    assert problems[0].startswith(f"{policy}/rules/sast.yml:")
    assert problems[0].endswith(
        "no token for this backend can carry 'security_scans': its backend_services are ai_gateway"
    )
    assert contents(policy) == before


def test_a_file_that_is_not_written_line_by_line_is_left_to_people(policy: Path) -> None:
    file = unit(policy, "duo_chat")
    file.write_text(json.dumps(yaml.safe_load(file.read_text())))
    before = file.read_text()
    message = f"{file} is not written as one key a line: change it by hand"
    assert message in refused("update", "duo_chat", "--description", "d", policy=policy, code=1)
    assert file.read_text() == before


def test_an_update_says_what_is_odd_about_the_file(policy: Path) -> None:
    file = unit(policy, "duo_chat")
    file.write_text(file.read_text() + "owner: me\n")
    result = run("update", "duo_chat", "--description", "d", policy=policy)
    assert result.exit_code == 0
    assert "unknown key 'owner' is ignored" in result.stderr


def test_deprecate_keeps_the_unit_primitive_and_says_why_it_will_go(policy: Path) -> None:
    file = unit(policy, "ask_build")
    before = file.read_text()
    url = "https://gitlab.com/gitlab-org/gitlab/-/merge_requests/3"
    done("deprecate", "ask_build", "--message", "duo_chat answers this", "--url", url, policy=policy)
    lines = f"deprecated_by_url: {url}\ndeprecation_message: duo_chat answers this\n"
    assert file.read_text() == before.replace("milestone: '17.3'\n", f"milestone: '17.3'\n{lines}")
    assert listed("--deprecated", policy=policy) == {"ask_build"}


def test_deprecate_needs_both_message_and_url(policy: Path) -> None:
    message = "say why it will be removed, with --message, and where that was decided, with --url"
    assert message in refused("deprecate", "ask_build", "--message", "m", policy=policy)
    assert message in refused("deprecate", "ask_build", "--url", "https://x.example", policy=policy)
    assert "'x' should be a URL" in refused("deprecate", "ask_build", "--message", "m", "--url", "x", policy=policy)


def test_on_a_terminal_deprecate_asks(policy: Path) -> None:
    code, _, asked = on_a_terminal(policy, "deprecate", "ask_build", answers="unused\nnowhere\nhttps://x.example\n")
    assert code == 0
    assert "'nowhere' should be a URL" in asked
    assert listed("--deprecated", policy=policy) == {"ask_build"}


def test_remove_is_refused_while_a_rule_or_a_service_uses_it(policy: Path) -> None:
    before = contents(policy)
    heading, *uses = refused("remove", "security_scans", policy=policy, code=1).splitlines()
    assert heading == "Error: 'security_scans' is in use; remove it from these places first:"
    assert [use.rpartition(":")[0] for use in uses] == [
        f"{policy}/catalog/services/sast.yml",
        f"{policy}/rules/sast.yml",
    ]
    assert contents(policy) == before


def test_remove_is_refused_while_the_rule_that_answers_for_a_tried_one_uses_it(policy: Path) -> None:
    """2026-11-29: a use under `instead_of` was not seen, and the policy could not be loaded any more."""
    rule = (
        "  - {path: /tried, methods: [POST], unit_primitives: [security_scans], shadow: true, "
        "instead_of: {unit_primitives: {any_of: [security_scans, trial]}}}\n"
    )
    unit = policy / "catalog/unit_primitives/security_scans.yml"
    (unit.parent / "trial.yml").write_text(unit.read_text().replace("name: security_scans", "name: trial"))
    with (policy / "rules/sast.yml").open("a") as rules:
        rules.write(rule)
    heading, use = refused("remove", "trial", policy=policy, code=1).splitlines()
    assert "trial" in heading
    assert "rules/sast.yml:" in use


def test_remove_takes_away_what_nothing_uses(policy: Path) -> None:
    result = run("remove", "include_local_git_context", policy=policy)
    assert (result.exit_code, result.stdout) == (0, f"removed {unit(policy, 'include_local_git_context')}\n")
    assert result.stderr == "'include_local_git_context' was not deprecated before: tell its users\n"
    assert "include_local_git_context" not in listed(policy=policy)


def test_remove_says_nothing_more_about_what_was_deprecated(policy: Path) -> None:
    done("deprecate", "include_local_git_context", "--message", "m", "--url", "https://x.example", policy=policy)
    assert done("remove", "include_local_git_context", policy=policy).startswith("removed ")


# entitlements, export, schema


ULTIMATE: Final = ("--license-type", "ultimate", "--gitlab-version", "17.8", "--at", "2026-01-01")


def test_entitlements_tell_what_is_granted_and_what_the_rest_lacks() -> None:
    text = done("entitlements", *ULTIMATE, "--add-on", "duo_pro")
    granted, _, rest = text.partition("not granted, because these are missing")
    assert granted.startswith("granted (30)\n")
    assert (
        "  complete_code                           ai_gateway                        paid since 2024-02-15\n" in granted
    )
    assert rest.startswith(" (24)\n")
    assert "  amazon_q_integration            operator amazon_q_operator; add-on duo_amazon_q\n" in rest
    assert "  include_repository_context      add-on duo_enterprise; GitLab 17.10\n" in rest


def test_entitlements_as_json() -> None:
    data = json.loads(done("entitlements", *ULTIMATE, "--backend-service", "duo_workflow_service", "--format", "json"))
    assert data == {
        "at": "2026-01-01T00:00:00Z",
        "granted": ["duo_agent_platform", "duo_workflow_execute_workflow", "duo_workflow_generate_token"],
        "lacking": {"duo_chat": ["add_on"], "self_hosted_duo_agent_platform": ["unit_primitive_operator"]},
    }
    data = json.loads(done("entitlements", "--license-type", "free", "--backend", "sast", "--format", "json"))
    assert data["lacking"] == {"security_scans": ["operator_license_type", "license_type", "gitlab_version"]}


@pytest.mark.parametrize(("at", "granted"), [("2024-02-14 23:59:59 UTC", True), ("2024-02-15 00:00:00 UTC", False)])
def test_entitlements_end_with_the_second_of_the_cut_off_date(at: str, granted: bool) -> None:
    customer = ("--license-type", "premium", "--gitlab-version", "16.10", "--at", at, "--format", "json")
    assert ("complete_code" in json.loads(done("entitlements", *customer))["granted"]) is granted


def test_entitlements_tell_every_kind_of_lack() -> None:
    text = done("entitlements", "--license-type", "free", "--operator", "amazon_q_operator")
    ours = "license ultimate for amazon_q_operator; add-on duo_amazon_q for amazon_q_operator"
    assert f"  security_scans                          {ours}; license ultimate; GitLab 17.5\n" in text
    rest = "operator gitlab_cloud_operator or self_hosted_operator; license premium or ultimate; add-on duo_enterprise"
    assert f"  glab_ask_git_command                    {ours}; {rest}; GitLab 17.2\n" in text
    assert not text.startswith("granted")


def test_entitlements_by_another_operator() -> None:
    text = done("entitlements", *ULTIMATE, "--operator", "self_hosted_operator", "--backend", "sast")
    assert text == (
        "not granted, because these are missing (1)\n  security_scans  add-on duo_enterprise for self_hosted_operator\n"
    )


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ((), "say which license the customer has: --license-type"),
        (("--license-type", "gold"), "license type 'gold' is not in the catalog"),
        (("--license-type", "free", "--add-on", "x"), "add-on 'x' is not in the catalog"),
        (("--license-type", "free", "--operator", "x"), "operator 'x' is not in the catalog"),
        (("--license-type", "free", "--backend", "x"), "backend service 'x' is not in the catalog"),
        (("--license-type", "free", "--gitlab-version", "x"), "'x' should be a GitLab version such as '17.8'"),
    ],
)
def test_a_customer_that_cannot_be_is_a_mistake(flags: tuple[str, ...], problem: str) -> None:
    assert problem in refused("entitlements", *flags)


def test_a_catalog_that_describes_no_operators_takes_any() -> None:
    assert "duo_chat" in done(
        "entitlements", *ULTIMATE, "--add-on", "duo_pro", "--operator", "x_operator", policy=UPSTREAM
    )


@pytest.mark.parametrize("realm", ["gitlab-com", "self-managed"])
def test_the_legacy_export_is_the_same_bytes_in_every_process(realm: str) -> None:
    command = [sys.executable, "-m", "authz", "catalog", "export-legacy", "--realm", realm, "--policy", str(UPSTREAM)]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        printed = subprocess.run(command, capture_output=True, check=True, timeout=60, env=environment).stdout
        assert printed == (UPSTREAM / f"legacy-{realm}.yml").read_bytes()


def test_the_legacy_export_as_json_says_the_same() -> None:
    text = done("export-legacy", "--realm", "gitlab-com")
    assert json.loads(done("export-legacy", "--realm", "gitlab-com", "--format", "json")) == yaml.safe_load(text)


def test_the_legacy_export_needs_a_realm() -> None:
    assert "Missing option '--realm'" in refused("export-legacy")
    assert "'saas' is not one of 'gitlab-com', 'self-managed'" in refused("export-legacy", "--realm", "saas")


def test_the_json_export_is_the_same_bytes_in_every_process() -> None:
    command = [sys.executable, "-m", "authz", "catalog", "export", "--policy", str(UPSTREAM)]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        printed = subprocess.run(command, capture_output=True, check=True, timeout=60, env=environment).stdout
        assert printed == (UPSTREAM / "catalog.json").read_bytes()


def test_the_json_export_has_every_entry_of_the_shipped_catalog_and_fits_its_schema() -> None:
    exported = json.loads(done("export", "--format", "catalog-json"))
    for folder, entries in exported.items():
        assert [entry["name"] for entry in entries] == sorted(
            file.stem for file in (POLICY / "catalog" / folder).iterdir()
        )
    schema = json.loads(done("schema", "catalog_json"))
    assert faults(exported, schema, schema) == []


def test_the_json_export_names_each_key_that_it_leaves_out_beside_the_result(policy: Path) -> None:
    plain = done("export", policy=policy)
    changed = (unit(policy, "ask_build"), policy / "catalog/add_ons/duo_pro.yml")
    for file in changed:
        file.write_text(file.read_text() + "sku: 1\n")
    result = run("export", policy=policy)
    assert (result.exit_code, result.stdout) == (0, plain)
    assert result.stderr.splitlines() == [
        f"{file}:{len(file.read_text().splitlines())}: key 'sku' is not exported: the format has none"
        for file in changed
    ]


def test_keys_of_the_json_export_are_sorted() -> None:
    text = done("export")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.mark.parametrize("syntax", ["yaml", "json"])
def test_export_prints_the_legacy_formats_as_export_legacy_does(syntax: str) -> None:
    realm = ("--realm", "self-managed")
    assert done("export", "--format", f"legacy-{syntax}", *realm) == done("export-legacy", "--format", syntax, *realm)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        row("a format that it has not", ("--format", "xml"), "'xml' is not one of 'catalog-json', 'legacy-yaml', "),
        row("a realm that it has not", ("--realm", "saas"), "'saas' is not one of 'gitlab-com', 'self-managed'"),
        row("a legacy format without a realm", ("--format", "legacy-yaml"), "add --realm gitlab-com or --realm self-"),
        row("a realm where it plays no part", ("--realm", "gitlab-com"), "the same in every realm: leave --realm out"),
    ],
)
def test_export_refuses_wrong_flags(flags: tuple[str, ...], problem: str) -> None:
    assert problem in refused("export", *flags)


def test_schemas_are_printed_one_by_one_and_all_together() -> None:
    every = json.loads(done("schema"))
    assert every.keys() == {file.stem for file in (POLICY / "schema").iterdir()}
    for name, schema in every.items():
        assert done("schema", name) == (POLICY / f"schema/{name}.json").read_text()
        assert json.loads(done("schema", name)) == schema


def test_schemas_are_written_to_a_folder(tmp_path: Path) -> None:
    printed = done("schema", "--write", str(tmp_path / "made"))
    assert contents(tmp_path / "made") == contents(POLICY / "schema")
    assert printed.splitlines()[0] == str(tmp_path / "made/issuers.json")


def test_a_mistake_about_schemas_is_reported(tmp_path: Path) -> None:
    assert "'keys' is not one of 'issuers', " in refused("schema", "keys")
    assert "--write writes all schemas" in refused("schema", "rules", "--write", str(tmp_path))
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused("schema", "--write", str(tmp_path / "file/inside"), code=1)


# forecast and gone


GOES: Final = """\
backend_service: sast
prefix: {prefix}
rules:
  - path: /later/{{name}}
    methods: [GET, POST]
    public: true
    gone: 2027-03-01
  - path: /at-once
    methods: [POST]
    gone: 2027-02-01
"""


@pytest.fixture
def going(policy: Path) -> Path:
    """A policy in which two endpoints are removed and the free access to one unit primitive ends, all in 2027."""
    for file in (policy / "rules").iterdir():
        if "gone:" in file.read_text():
            file.unlink()
    (policy / "rules/going.yml").write_text(GOES.format(prefix="/going"))
    done("update", "duo_agent_platform", "--cut-off-date", "2027-02-28 12:00:00 UTC", policy=policy)
    return policy


def forecast(*flags: str, at: str, policy: Path) -> list[str]:
    """Return the lines of a forecast, without the heading."""
    return done("forecast", "--at", at, *flags, policy=policy).splitlines()[1:]


def test_a_forecast_has_a_line_for_each_change_by_date(going: Path) -> None:
    done("deprecate", "ask_build", "--message", "duo_chat answers this", "--url", "https://x.example", policy=going)
    assert forecast(at="2027-01-01", policy=going) == [
        "2027-02-28 12:00:00 UTC  duo_agent_platform             free access ends; then it needs add-on duo_core "
        "or duo_pro or duo_enterprise or gitlab_credits",
        "2027-03-01               GET, POST /going/later/{name}  answers 410 from then on",
        "no date                  ask_build                      deprecated: duo_chat answers this",
    ]


def test_a_forecast_for_programs_says_the_same(going: Path) -> None:
    done("deprecate", "ask_build", "--message", "duo_chat answers this", "--url", "https://x.example", policy=going)
    printed = done("forecast", "--at", "2027-01-01", "--days", "60", "--format", "json", policy=going)
    add_ons = yaml.safe_load(unit(going, "duo_agent_platform").read_text())["add_ons"]
    assert json.loads(printed) == {
        "at": "2027-01-01T00:00:00Z",
        "until": "2027-03-02T00:00:00Z",
        "changes": [
            {
                "change": "paid",
                "date": "2027-02-28T12:00:00Z",
                "unit_primitive": "duo_agent_platform",
                "add_ons": add_ons,
            },
            {
                "change": "gone",
                "date": "2027-03-01T00:00:00Z",
                "path": "/going/later/{name}",
                "methods": ["GET", "POST"],
                "backend_service": "sast",
                "gone": False,
                "ahead": True,
                "file": str(going / "rules/going.yml"),
                "line": 4,
            },
            {
                "change": "deprecated",
                "date": None,
                "unit_primitive": "ask_build",
                "message": "duo_chat answers this",
                "url": "https://x.example",
            },
        ],
    }


@pytest.mark.parametrize(
    ("at", "days", "dates"),
    [
        row("the day before the last of them", "2027-01-31", "28", []),
        row("as far as the second of the first", "2027-01-31 12:00:00 UTC", "28", ["2027-02-28"]),
        row("as far as both", "2027-02-01", "28", ["2027-02-28", "2027-03-01"]),
        row("a second before the first", "2027-02-28 11:59:59 UTC", "365", ["2027-02-28", "2027-03-01"]),
        row("from the second of the first on", "2027-02-28 12:00:00 UTC", "365", ["2027-03-01"]),
        row("from the second of the last on", "2027-03-01", "365", []),
        row("to the end of time", "2027-02-28", "99999999999", ["2027-02-28", "2027-03-01"]),
    ],
)
def test_a_forecast_ends_with_its_last_second(at: str, days: str, dates: list[str], going: Path) -> None:
    data = json.loads(done("forecast", "--at", at, "--days", days, "--format", "json", policy=going))
    assert [change["date"][:10] for change in data["changes"]] == dates


def test_a_forecast_without_changes_says_so_beside_the_result(going: Path) -> None:
    result = run("forecast", "--at", "2027-03-01", policy=going)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing changes from 2027-03-01 to 2028-02-29\n"


def test_a_unit_primitive_without_add_ons_stays_free_after_its_date(going: Path) -> None:
    done("update", "duo_agent_platform", "--clear", "add_ons", policy=going)
    assert "free access ends; then it still needs no add-on" in forecast(at="2027-01-01", policy=going)[0]


def test_a_catalog_without_rules_has_a_forecast_and_no_endpoints() -> None:
    assert forecast("--days", "1", at="2024-10-16", policy=UPSTREAM)[0].startswith("2024-10-17  documentation_search")
    result = run("gone", policy=UPSTREAM)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no endpoint is marked as gone\n")


def test_gone_lists_endpoints_by_date_with_their_rule(going: Path) -> None:
    rule = going / "rules/going.yml"
    assert done("gone", "--at", "2027-01-01", policy=going).splitlines() == [
        "DATE        STATE                 METHODS    PATH                 RULE",
        f"2027-02-01  gone before its date  POST       /going/at-once       {rule}:8",
        f"2027-03-01  still served          GET, POST  /going/later/{{name}}  {rule}:4",
    ]
    assert [line.split("  ")[1] for line in done("gone", "--at", "2027-03-01", policy=going).splitlines()[1:]] == [
        "gone",
        "gone",
    ]


def test_the_shipped_endpoints_that_are_gone_are_listed() -> None:
    endpoints = json.loads(done("gone", "--format", "json"))
    assert [(each["path"], each["date"][:10], each["gone"], each["ahead"]) for each in endpoints] == [
        ("/ai/v3/completions", "2024-01-02", True, False),
        ("/ai/v1/amazon_q/application", "2024-12-09", True, False),
        ("/ai/v1/x-ray/libraries", "2026-04-29", True, False),
    ]
    for each in endpoints:
        assert each["path"].endswith(Path(each["file"]).read_text().splitlines()[each["line"] - 1].split()[-1])


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        row("no date", ("--at", "soon"), "'soon' should be a date such as 2024-10-17 00:00:00 UTC"),
        row("no format", ("--format", "xml"), "'xml' is not one of 'text', 'json'"),
    ],
)
@pytest.mark.parametrize("command", ["forecast", "gone"])
def test_a_wrong_flag_of_forecast_and_gone_is_a_mistake(command: str, flags: tuple[str, ...], problem: str) -> None:
    assert problem in refused(command, *flags)


@pytest.mark.parametrize("days", ["0", "-1", "a"])
def test_a_forecast_looks_ahead(days: str) -> None:
    assert "Invalid value for '--days'" in refused("forecast", "--days", days)


@pytest.mark.parametrize(
    ("written", "broken", "problem"),
    [
        row(
            "a wrong date", "2027-02-01", "soon", "10: rules[1].gone: should be a date such as 2024-10-17 00:00:00 UTC"
        ),
        row("a path that cannot be", "/at-once", "at-once", "8: path 'at-once': a path begins with /"),
        row("a path with two rules", "/at-once", "/later/{name}", "8: POST on this path has two rules"),
    ],
)
@pytest.mark.parametrize("command", ["forecast", "gone"])
def test_a_broken_rule_is_reported_with_its_line(
    command: str, written: str, broken: str, problem: str, going: Path
) -> None:
    file = going / "rules/going.yml"
    file.write_text(file.read_text().replace(written, broken))
    found, last = refused(command, policy=going, code=1).splitlines()
    assert found.startswith(f"{file}:{problem}")
    assert last == "authz: 1 problem to fix"


# how a broken policy is reported


COMMANDS: Final = {
    "list": ("list",),
    "show": ("show", "duo_chat"),
    "add": NEW,
    "update": ("update", "duo_chat", "--description", "d"),
    "deprecate": ("deprecate", "duo_chat", "--message", "m", "--url", "https://x.example"),
    "remove": ("remove", "duo_chat"),
    "entitlements": ("entitlements", "--license-type", "free"),
    "forecast": ("forecast",),
    "gone": ("gone",),
    "export": ("export",),
    "export-legacy": ("export-legacy", "--realm", "gitlab-com"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_fifty_problems_are_fifty_lines_and_nothing_is_changed(command: tuple[str, ...], policy: Path) -> None:
    for number in range(50):
        unit(policy, f"up_{number:02}").write_text(f"---\nname: up_{number:02}\nname: again\n")
    before = contents(policy)
    *problems, last = refused(*command, policy=policy, code=1).splitlines()
    assert problems == [
        f"{unit(policy, f'up_{number:02}')}:3: key 'name' appears twice, first on line 2" for number in range(50)
    ]
    assert last == "authz: 50 problems to fix"
    assert contents(policy) == before


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_policy_that_is_not_there_is_reported(command: tuple[str, ...], tmp_path: Path) -> None:
    message = f"{tmp_path / 'none'}: is not a directory: name a policy directory with --policy"
    assert message in refused(*command, policy=tmp_path / "none", code=1)
    assert "has no catalog/ (or config/) directory" in refused(*command, policy=tmp_path, code=1)


@pytest.mark.parametrize("command", ["add", "update", "deprecate"])
def test_a_disk_that_is_full_is_reported_and_leaves_every_file_as_it_was(command: str, policy: Path) -> None:
    before = contents(policy)
    line = [sys.executable, "-m", "authz", "catalog", *COMMANDS[command], "--policy", str(policy)]

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    ended = subprocess.run(line, capture_output=True, text=True, check=False, preexec_fn=fill_the_disk, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    name = "explain_pipeline" if command == "add" else "duo_chat"
    assert ended.stderr == f"Error: {unit(policy, name)}: File too large\n"
    assert contents(policy) == before


@pytest.mark.parametrize("command", [*COMMANDS, "schema"])
def test_each_command_has_help(command: str) -> None:
    assert f"catalog {command}" in done(command, "--help")
