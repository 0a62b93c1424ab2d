"""An edit of Envoy's files takes effect without a restart; a refused one leaves the old file in force."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from dev.envoy.admin import AdminError
from dev.envoy.apply import ApplyError, apply
from dev.envoy.files import ADMIN, Engine, EnvoyFiles, render, replace
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import SHIPPED, edit

REJECTED: Final = r"(rds\.door|cds)\.update_(rejected|failure)$"
SCAN: Final = "/sast/scan"
FIRST: Final = '- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: ai_gateway\n'
SCANNER: Final = """\
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: scanner
  type: STATIC
  load_assignment:
    cluster_name: scanner
    endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8131}}}}]}]
"""


def scanned_by(client: HttpClient) -> str:
    name = client.ask("POST", SCAN, ["security_scans"]).json()["name"]
    assert isinstance(name, str)
    return name


def test_an_edited_route_takes_effect_without_a_restart(door: Door, client: HttpClient) -> None:
    assert scanned_by(client) == "sast-1"
    with door.edited(routes=[("cluster: sast\n", "cluster: observability\n")]):
        assert scanned_by(client) == "observability-1"
    assert scanned_by(client) == "sast-1"
    assert door.envoy.child.exit_code() is None


def test_a_new_backend_and_its_route_are_added_and_removed_together(door: Door, client: HttpClient) -> None:
    with door.edited(routes=[("cluster: sast\n", "cluster: scanner\n")], clusters=[(FIRST, f"{SCANNER}{FIRST}")]):
        assert scanned_by(client) == "sast-1"
        assert door.envoy.admin.healthy_endpoints()["scanner"] == 1
    assert scanned_by(client) == "sast-1"
    assert "scanner" not in door.envoy.admin.healthy_endpoints()


def test_a_canary_is_added_before_its_route_and_removed_after_it(
    door: Door, client: HttpClient, tmp_path: Path
) -> None:
    split = "weighted_clusters: {clusters: [{name: sast, weight: 1}, {name: scanner, weight: 1}]}\n"
    canary = EnvoyFiles(tmp_path / "envoy")
    render(door.source, canary)
    edit(canary.routes, [("cluster: sast\n", split)])
    edit(canary.clusters, [(FIRST, f"{SCANNER}{FIRST}")])
    running = door.envoy.files
    arriving = list(apply(canary, running, door.ports))
    assert scanned_by(client) == "sast-1"
    leaving = list(apply(door.source, running, door.ports))
    reports = [f"{file}: Envoy uses it now" for file in (running.clusters, running.routes)]
    assert (arriving, leaving) == (reports, reports[::-1])


def test_a_backend_that_is_renamed_under_its_route_takes_two_steps(door: Door, client: HttpClient) -> None:
    routes, clusters = [("cluster: sast\n", "cluster: scanner\n")], [("name: sast\n", "name: scanner\n")]
    with (
        pytest.raises(ApplyError, match=r"in two steps: first add cluster scanner .* then remove cluster sast"),
        door.edited(routes, clusters),
    ):
        pytest.fail("applied at once, requests in between would have had no backend")
    assert scanned_by(client) == "sast-1"


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text + "\n][",
        lambda text: text.replace("^/sast/?", "^(/sast"),
        lambda text: text.replace("cluster: sast\n", "cluster: unknown\n"),
        lambda text: text.replace("num_retries: 2", "num_retriez: 2"),
        lambda text: text.replace("timeout: 0s", "timeout: soon"),
    ],
    ids=["not yaml", "regular expression", "unknown cluster", "misspelt field", "duration"],
)
def test_envoy_refuses_a_broken_route_file_and_keeps_the_old_one(
    door: Door, client: HttpClient, broken: Callable[[str], str]
) -> None:
    good = door.envoy.files.routes.read_text("utf-8")
    before = sum(door.envoy.admin.counters(REJECTED).values())
    try:
        replace(door.envoy.files.routes, broken(good))
        door.wait_until(lambda: sum(door.envoy.admin.counters(REJECTED).values()) > before, "a refusal by Envoy")
        assert scanned_by(client) == "sast-1"
        assert client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).status == 200
    finally:
        replace(door.envoy.files.routes, good)


def test_apply_puts_back_what_envoy_refuses(door: Door, client: HttpClient, tmp_path: Path) -> None:
    broken = EnvoyFiles(tmp_path / "envoy")
    render(door.source, broken)
    edit(broken.routes, [("cluster: sast\n", "cluster: unknown\n")])
    good = door.envoy.files.routes.read_text("utf-8")
    with pytest.raises(ApplyError, match="Envoy refuses it and keeps the old one"):
        list(apply(broken, door.envoy.files, door.ports))
    assert door.envoy.files.routes.read_text("utf-8") == good
    assert scanned_by(client) == "sast-1"


def test_apply_without_an_edit_says_so(door: Door) -> None:
    assert list(apply(door.source, door.envoy.files, door.ports)) == [f"{door.envoy.files.folder}: nothing to apply"]


def test_apply_needs_a_running_envoy(tmp_path: Path) -> None:
    with pytest.raises(ApplyError, match="start one with make up"):
        list(apply(SHIPPED, EnvoyFiles(tmp_path)))


@pytest.mark.parametrize("engine", Engine)
def test_apply_says_at_once_that_no_envoy_runs_any_more(tmp_path: Path, engine: Engine) -> None:
    source, left = EnvoyFiles(tmp_path / "envoy", engine), EnvoyFiles(tmp_path / "run", engine)
    render(SHIPPED, source)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # without listening
        port = bound.getsockname()[1]
        render(SHIPPED, left, {ADMIN: port})
        for file in source.all_limits:
            replace(file, f"{file.read_text('utf-8')}# edited\n")
        before = {file: file.read_bytes() for file in left.all()}
        message = "no door runs; start it with make up (or make up-shared), which reads the edited files"
        with pytest.raises(AdminError, match=rf"^{re.escape(message)} \(nothing listens on its admin port {port}\)$"):
            list(apply(source, left))
    assert {file: file.read_bytes() for file in left.all()} == before
