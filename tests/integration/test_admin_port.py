"""The admin port of a running service: all workers together, whatever becomes of some of them."""

import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.files import replace
from tests.support.integration.caller import Caller, healthy
from tests.support.integration.service import SECONDS, Service, refused, running
from tests.support.minting import request
from tests.support.waiting import until

WORKERS: Final = 2
ALLOWED: Final = r'authz_decisions_total\{[^}]*reason="allowed"[^}]*\} (\S+)'


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """Two workers."""
    sources = ("--policy", "policy", "--keys", "keys", "--listen", "unix:{worker}.sock", "--workers", str(WORKERS))
    with running(folder, *sources, "--drain", "0s", listeners=WORKERS) as started:
        yield started


def get(service: Service, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.admin_port(), timeout=SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def page(service: Service, path: str) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = json.loads(get(service, path)[1])
    return found


def total(service: Service, pattern: str) -> float:
    return sum(map(float, re.findall(pattern, get(service, "/metrics")[1])))


def test_it_lives_and_is_ready(service: Service) -> None:
    assert get(service, "/healthz")[0] == 200
    status, text = get(service, "/readyz")
    assert (status, json.loads(text)["workers"]) == (200, {"running": WORKERS, "wanted": WORKERS, "restarts": 0})


def test_workers_are_counted_together_and_a_killed_one_takes_nothing_away(service: Service, folder: Path) -> None:
    for number in range(WORKERS):
        with Caller(folder / f"{number}.sock") as caller:
            for _ in range(10):
                assert caller.code(healthy()) == 0
                assert caller.code(request()) == 16
    until(lambda: total(service, ALLOWED) == 10 * WORKERS)
    os.kill(service.worker(0), signal.SIGKILL)
    service.wait_for("worker_listening", 2, address="unix:0.sock")
    assert total(service, ALLOWED) == 10 * WORKERS
    with Caller(folder / "0.sock") as caller:
        assert caller.code(healthy()) == 0
    until(lambda: total(service, ALLOWED) == 10 * WORKERS + 1)
    assert page(service, "/readyz")["workers"]["restarts"] == 1


def test_a_worker_that_drains_tells_its_last_counts(service: Service, folder: Path) -> None:
    with Caller(folder / "0.sock") as caller:
        for _ in range(10):
            assert caller.code(healthy()) == 0
        os.kill(service.worker(0), signal.SIGTERM)
        service.wait_for("worker_drained", worker=0)
    assert total(service, ALLOWED) == 10


def test_the_revision_is_the_one_in_force(service: Service, folder: Path) -> None:
    before = page(service, "/revision")["revision"]
    assert service.events("policy_loaded", revision=before)
    file = folder / "policy/tiers.yml"
    replace(file, f"{file.read_text()}# another\n")
    line = service.wait_for("policy_in_force", previous_revision=before)
    assert (line["revision"], line["workers"]) == (page(service, "/revision")["revision"], WORKERS)


def test_a_broken_policy_is_reported_and_the_service_is_ready_nevertheless(service: Service, folder: Path) -> None:
    file = folder / "policy/tiers.yml"
    text = file.read_text()
    revision = page(service, "/revision")["revision"]
    replace(file, text.replace("default: any", "defualt: any"))
    service.wait_for("policy_refused")
    status, detail = get(service, "/readyz")
    assert status == 200
    problems = json.loads(detail)["last_reload_failure"]["problems"]
    assert {problem["file"] for problem in problems} == {"policy/tiers.yml"}
    assert page(service, "/revision")["revision"] == revision
    assert total(service, r"(?m)^authz_policy_last_reload_successful (\S+)$") == 0
    replace(file, text)
    service.wait_for("policy_unchanged")
    assert page(service, "/readyz")["last_reload_failure"] is None


def test_while_all_drain_it_is_alive_and_not_ready(folder: Path) -> None:
    sources = ("--policy", "policy", "--keys", "keys", "--listen", "unix:0.sock")
    with running(folder, *sources, "--drain", "1h") as service:
        assert get(service, "/readyz")[0] == 200
        service.process.terminate()
        service.wait_for("service_stopping")
        until(lambda: get(service, "/readyz")[0] == 503)
        assert get(service, "/healthz")[0] == 200


def test_a_port_in_use_is_one_clear_line(folder: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, error = refused(folder, "--keys", "keys", "--listen", "unix:0.sock", "--admin", address)
    assert code == 1
    message = "another process listens there: stop it or name another port"
    assert error.splitlines()[-1] == f"Error: cannot listen on {address}: {message}"
    assert not (folder / "0.sock").exists()
