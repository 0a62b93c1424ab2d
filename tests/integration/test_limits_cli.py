"""`authz limits`: what it writes, compares and reports; and the real Envoy reads all of it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from authz.cli import main
from dev.envoy.check import check as envoy_check
from dev.envoy.files import EnvoyFiles
from tests.support.files import contents, edit
from tests.support.repository import ROOT

SMALL: Final = "      small:  {share: 20%, instance: 1200/minute,  user: 120/minute}\n"
EVERYTHING: Final = (
    ("      any:    {share: 10%, instance: 600/minute,   user: 60/minute}",
     "      any:    {share: {share: 20%, shadow: true}, instance: {limit: 600/hour, shadow: true}, user: 60/day}"),
    (SMALL, ""),
    ("namespace: 3000/minute", "namespace: {limit: 3000/hour, shadow: true}"),
    ("exceptions: []", """exceptions:
  - limited_instance_id: "12+/=:_.-"
    reason: r
    backend_services: {ai_gateway: {instance: 9/second}, sast: {instance: 9/day}}
  - {limited_namespace_id: "9970", reason: r, backend_services: {ai_gateway: {namespace: 9/second}}}
  - {limited_namespace_id: "24", reason: r, backend_services: {sast: {namespace: {limit: 1/day, shadow: true}}}}
  - {limited_instance_id: b, reason: r, backend_services: {ai_gateway: {instance: {limit: 1/day, shadow: true}}}}"""),
    ("  attempts: 6000/minute ", "  attempts: {limit: 6000/second, shadow: true} "),
    ("  refusals: 600/minute ", "  refusals: {limit: 600/hour, shadow: true} "),
    ("    - 34.74.226.0/24", "    - 34.74.226.0/24\n    - 2001:db8::/32"),
    ("  service: 127.0.0.1:8081", "  service: limits.example.com:65535"),
    ("  timeout: 50ms", "  timeout: 1s"),
    ("  on_failure: allow ", "  on_failure: deny "),
    ("any: {share: 5%, instance: 200/minute, user: 20/minute}",
     "large: {share: {share: 0.01%, shadow: true}, namespace: 5/second}"),
)  # fmt: skip


@pytest.fixture
def envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, in a folder where the commands are run."""
    shutil.copytree(ROOT / "envoy", tmp_path / "envoy")
    monkeypatch.chdir(tmp_path)
    return Path("envoy")


def run(*arguments: str) -> Result:
    """Run `authz limits` in this process."""
    return CliRunner().invoke(main, ("limits", *arguments), env={"AUTHZ_POLICY": None})


def done(*arguments: str) -> list[str]:
    """Return the lines that a command printed; it succeeded and reported nothing."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.splitlines()


def refused(*arguments: str, code: int = 1) -> list[str]:
    """Return what a refused command says; it prints no result and no traceback."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr.splitlines()


def test_what_is_shipped_is_rendered() -> None:
    command = [sys.executable, "-m", "authz", "limits", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith("embedded: ")


def test_nothing_is_written_twice(envoy: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in envoy.rglob("*")}
    assert done("render") == []
    assert {file: file.stat().st_mtime_ns for file in envoy.rglob("*")} == before


def test_everything_is_written_where_there_is_nothing_yet(envoy: Path) -> None:
    before = contents(envoy / "rendered")
    shutil.rmtree(envoy / "rendered")
    assert sorted(done("render")) == sorted(f"envoy/rendered/{name}" for name in before)
    assert contents(envoy / "rendered") == before


def test_one_number_is_one_edit_that_changes_the_files_of_that_number_alone(envoy: Path) -> None:
    edit(envoy / "limits.yaml", ("instance: 600/minute,   user: 60/", "instance: 600/minute,   user: 80/"))
    line = next(
        at for at, text in enumerate((envoy / "limits.yaml").read_text().splitlines(), 1) if "user: 80/" in text
    )
    reported = refused("check")
    differs = f"ai_gateway, tier any, per user: 60/minute here, 80/minute in envoy/limits.yaml:{line}"
    assert [each.split(": ", 1)[1] for each in reported[:-1]] == [f"{differs}; run authz limits render"] * 2
    assert [each.split(":")[0] for each in reported[:-1]] == [
        "envoy/rendered/embedded/users.yaml", "envoy/rendered/shared/ratelimit/users.yaml",
    ]  # fmt: skip
    assert reported[-1] == "authz: 2 problems to fix"
    assert done("render") == ["envoy/rendered/embedded/users.yaml", "envoy/rendered/shared/ratelimit/users.yaml"]
    assert done("check")


def test_every_mistake_is_reported_with_its_line_and_nothing_is_written(envoy: Path) -> None:
    edit(envoy / "limits.yaml", ("  sast:", "  scast:"), ("share: 40%", "share: 41%"))
    edit(envoy / "envoy.yaml", ("  # limits: clusters\n", ""))
    before = contents(envoy)
    for command in ("render", "check"):
        reported = refused(command)
        assert reported[0] == "envoy/envoy.yaml: the line '# limits: clusters' is missing: it marks where the limits go"
        assert reported[-1] == f"authz: {len(reported) - 1} problems to fix"
        assert any("backend service 'scast' is not in the policy; did you mean 'sast'?" in each for each in reported)
        assert any("the shares of ai_gateway add up to 101 %" in each for each in reported)
        assert all(each.startswith(("envoy/limits.yaml:", "envoy/envoy.yaml: ")) for each in reported[:-1])
    assert contents(envoy) == before


def test_limits_that_are_not_yaml_are_refused(envoy: Path) -> None:
    (envoy / "limits.yaml").write_text("backend_services: [")
    assert refused("render")[0].startswith("envoy/limits.yaml:")


def test_a_broken_policy_is_reported_before_its_limits(envoy: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    shutil.copytree(ROOT / "authz" / "data", policy, ignore=shutil.ignore_patterns("keys"))
    (policy / "tiers.yml").write_text("default: any\n")
    (envoy / "limits.yaml").unlink()
    assert refused("render", "--policy", str(policy)) == [
        f"{policy}/tiers.yml:1: key 'tiers' is missing", "authz: 1 problem to fix",
    ]  # fmt: skip


def test_another_policys_tiers_are_the_ones_to_limit(envoy: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    shutil.copytree(ROOT / "authz" / "data", policy, ignore=shutil.ignore_patterns("keys"))
    edit(policy / "tiers.yml", ("name: large", "name: giant"), ("tier: large", "tier: giant"))
    reported = refused("render", "--policy", str(policy))
    assert any("tier 'large' is not in the policy" in each for each in reported)
    assert (envoy / "rendered").is_dir()


def test_a_warning_is_reported_and_does_no_harm(envoy: Path) -> None:
    edit(envoy / "limits.yaml", ("instance: 600/minute,   user: 60/minute", "instance: 50/minute,   user: 60/minute"))
    for command in ("render", "check"):
        result = run(command)
        assert result.exit_code == 0
        assert "50/minute per instance is below 60/minute per user, which is never reached (a warning)" in result.stderr


def test_a_file_that_cannot_be_written_leaves_the_others_alone(envoy: Path) -> None:
    edit(envoy / "limits.yaml", ("user: 60/minute}", "user: 61/minute}"))
    tiers = envoy / "rendered" / "shared" / "ratelimit" / "users.yaml"
    tiers.unlink()
    tiers.mkdir()
    before = contents(envoy)
    assert refused("render") == [f"Error: {tiers}: Is a directory; nothing was rendered"]
    assert contents(envoy) == before


def test_a_filter_that_is_no_longer_needed_goes_with_its_files(envoy: Path) -> None:
    edit(envoy / "limits.yaml", ("any: {share: 5%, instance: 200/minute, user: 20/minute}", "any: {user: 20/minute}"))
    gone = [f"envoy/rendered/{folder}/unit_primitives.yaml" for folder in ("embedded", "shared", "shared/ratelimit")]
    reported = refused("check")
    assert sorted(each.split(":")[0] for each in reported if "is no longer rendered" in each) == sorted(gone)
    removed = [each for each in done("render") if each.endswith("(removed)")]
    assert sorted(removed) == sorted(f"{each} (removed)" for each in gone)
    assert done("check")


def test_the_files_may_stand_anywhere(envoy: Path, tmp_path: Path) -> None:
    where = ("--limits", "envoy/limits.yaml", "--bootstrap", "envoy/envoy.yaml", "--into", str(tmp_path / "out"))
    assert done("render", *where)
    assert done("check", *where)
    text = (tmp_path / "out" / "shared" / "envoy.yaml").read_text()
    assert f"path: {tmp_path}/out/shared/users.yaml" in text
    same = (tmp_path / "out" / "embedded" / "users.yaml").read_bytes()
    assert same == (envoy / "rendered" / "embedded" / "users.yaml").read_bytes()


def test_the_real_envoy_takes_what_is_rendered_of_everything_that_can_be_written(envoy: Path) -> None:
    edit(envoy / "limits.yaml", *EVERYTHING)
    result = run("render")
    assert result.exit_code == 0, result.stderr
    assert envoy_check(EnvoyFiles(envoy)) == ()


@pytest.mark.parametrize("command", [(), ("render",), ("check",)])
def test_each_command_has_help(command: tuple[str, ...]) -> None:
    assert "Usage: main limits" in "\n".join(done(*command, "--help"))
