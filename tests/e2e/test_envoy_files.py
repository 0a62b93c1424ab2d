"""`python -m dev.envoy check` and `apply` report problems with file and line, found by the real Envoy."""

import re
import shutil
from pathlib import Path

import pytest

from dev.envoy.__main__ import main
from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles, render
from tests.support.e2e.door import Door
from tests.support.e2e.processes import SHIPPED, edit

ROUTES, CLUSTERS = "dynamic/routes.yaml", "dynamic/clusters.yaml"


def test_the_shipped_files_are_right() -> None:
    assert check(SHIPPED) == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        (
            ROUTES,
            "cluster: sast\n",
            "cluster: unknown\n",
            r"routes.yaml:\d+: route sast: route: unknown cluster 'unknown'",
        ),
        (ROUTES, "timeout: 60s", "timeout: 60s\n        timeout: 6s", r"routes.yaml:\d+: key timeout is repeated"),
        (ROUTES, "  virtual_hosts:", "  virtual_hosts: ][", r"routes.yaml:\d+: is not YAML"),
        (
            ROUTES,
            "{backend_service: sast}",
            "{}",
            r"routes.yaml:\d+: route sast lacks context_extensions.backend_service",
        ),
        (
            ROUTES,
            "check_settings: {context_extensions: {backend_service: sast}}",
            "disabled: true",
            r"routes.yaml:\d+: route sast switches ext_authz off",
        ),
        (
            ROUTES,
            "cluster: sast\n",
            "cluster: sast\n        max_stream_duration: *hour\n",
            r"routes.yaml:\d+: route sast has a timeout that Envoy ignores beside max_stream_duration",
        ),
        (
            ROUTES,
            "timeout: 0s\n        idle_timeout: 120s",
            "timeout: 30s\n        idle_timeout: 120s",
            r"routes.yaml:\d+: route ai_stream has a timeout that Envoy ignores .* \(timeout: 0s\)",
        ),
        (
            ROUTES,
            "        timeout: 0s\n        idle_timeout: 120s",
            "        idle_timeout: 120s",
            r"routes.yaml:\d+: route ai_stream has a timeout that Envoy ignores .* \(timeout: 0s\)",
        ),
        (CLUSTERS, "name: sast\n", "name: scanner\n", r"routes.yaml:\d+: route sast: route: unknown cluster 'sast'"),
        (
            "envoy.yaml",
            "failure_mode_allow",
            "failure_mode_alow",
            r"envoy.yaml:\d+: no such field: 'failure_mode_alow'",
        ),
    ],
)
def test_a_mistake_is_reported_with_file_and_line(
    files: EnvoyFiles, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, found: str
) -> None:
    edit(files.folder / file, [(old, new)])
    assert main(["check", str(files.folder)]) == 1
    printed = capsys.readouterr()
    assert re.search(found, printed.err), printed.err
    assert printed.out == ""


def test_all_mistakes_are_reported_at_once(files: EnvoyFiles) -> None:
    edit(files.routes, [("^/sast/?", "^(/sast"), ("^/observability/?", "^/[observability")])
    assert [problem.message.split(":")[0] for problem in check(files)] == ["route observability", "route sast"]


def test_a_missing_file_is_reported(files: EnvoyFiles) -> None:
    files.clusters.unlink()
    assert "clusters.yaml: cannot be read" in str(check(files)[0])


def test_apply_checks_first_and_then_reports_the_files_that_envoy_uses(
    door: Door, files: EnvoyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    running = str(door.envoy.files.folder)
    render(door.envoy.files, files)
    edit(files.routes, [("timeout: 60s", "timeout: 59s")])
    assert main(["apply", str(files.folder), "--to", running]) == 0
    assert capsys.readouterr().out == f"{door.envoy.files.routes}: Envoy uses it now\n"
    edit(files.routes, [("timeout: 59s", "timeout: 60s")])
    assert main(["apply", str(files.folder), "--to", running]) == 0
    edit(files.routes, [("timeout: 60s", "timeout: soon")])
    assert main(["apply", str(files.folder), "--to", running]) == 1
    assert "timeout: 60s" in door.envoy.files.routes.read_text("utf-8")


def test_apply_reloads_what_was_edited_in_place(door: Door) -> None:
    """In a linked folder, as `make up` uses, the running file is the edited one, and Envoy has not noticed the edit."""
    assert main(["apply", str(door.envoy.files.folder), "--to", str(door.envoy.files.folder)]) == 0


def test_apply_leaves_another_folders_envoy_alone(
    door: Door, files: EnvoyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two checkouts have the same ports. Where this one's Envoy has ended, the other one may answer in its place."""
    ended = tmp_path / "ended"
    shutil.copytree(door.envoy.files.folder, ended)
    before = door.envoy.files.routes.read_text("utf-8")
    edit(files.routes, [("timeout: 60s", "timeout: 59s")])
    assert main(["apply", str(files.folder), "--to", str(ended)]) == 1
    other = rf"the Envoy on admin port \d+ is another one, it reads {door.envoy.files.started}"
    assert re.search(rf"no door runs; start it with make up .*; {other}", capsys.readouterr().err)
    assert "timeout: 59s" not in EnvoyFiles(ended).routes.read_text("utf-8")
    assert door.envoy.files.routes.read_text("utf-8") == before
