"""Under steady load workers die, hang, drain and reload the policy, and every answer stays correct."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.cases.case_file import POLICY
from tests.support.e2e.chains import write_keys_and_anchors
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.e2e.load import Load, loaded, questions, show
from tests.support.e2e.processes import Service
from tests.support.minting import Minter

Loading = Callable[[], AbstractContextManager[Load]]

WORKERS: Final = 4
RELOADS: Final = 60
RELOAD_SECONDS: Final = 1.0
INSTANCE: Final = "9c3f4d0e-6a0f-4c58-8f5e-0a1f6f1f2b11"
LOCKED_OUT: Final = f"instances: [{{value: {INSTANCE}, reason: stolen}}]\n"
NOBODY: Final = "instances: []\n"
SETTLED: Final = 300
"""Answers to wait for before and after an event: every request several times."""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy to edit."""
    folder = tmp_path_factory.mktemp("policy") / "policy"
    return shutil.copytree(POLICY, folder, ignore=shutil.ignore_patterns("schema", "keys"))


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, policy: Path) -> Iterator[Door]:
    """A door with several workers."""
    serve = partial(Service, policy=policy, workers=WORKERS)
    with open_door(tmp_path_factory.mktemp("crew"), write_keys_and_anchors, serve) as opened:
        yield opened


@pytest.fixture
def loading(crew: Door, mint: Minter, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Loading:
    """Send load while the block runs; then print its counts, and fail if any answer was wrong."""

    @contextmanager
    def run() -> Iterator[Load]:
        all_serve(crew)
        before = crew.requests_seen()
        with loaded(crew.plain, questions(HttpClient(crew.plain, mint))) as load:
            keep_asking(crew, load)
            yield load
            all_serve(crew)
            keep_asking(crew, load)
        seen = load.seen()
        show(capsys, f"{request.node.name.removeprefix('test_').replace('_', ' ')}: {seen.summary()}")
        assert not seen.details, seen.found()
        allowed = seen.allowed + load.others
        assert crew.requests_seen() - before == allowed, "backends got other requests than the allowed ones"

    return run


def keep_asking(crew: Door, load: Load) -> None:
    """Wait until every request has been answered several more times."""
    enough = load.answers() + SETTLED
    crew.wait_until(lambda: load.answers() >= enough, "answers")


def all_serve(crew: Door) -> None:
    """Wait until every worker serves and Envoy knows it."""
    crew.wait_until(lambda: crew.authz.counted("authz_workers_running") == WORKERS, "every worker")
    crew.wait_until(lambda: crew.envoy.healthy("authz") == WORKERS, "every worker, as Envoy sees it")


def wait_for_event(crew: Door, before: int, event: str, **fields: object) -> None:
    """Wait until the service logs this event, after its first `before` events."""
    crew.wait_until(lambda: bool(crew.authz.events(event, before, **fields)), f"{event} {fields}")


def replaced(crew: Door, number: int, former: int, before: int) -> None:
    """Wait until another process has replaced a worker."""
    crew.wait_until(lambda: crew.authz.worker(number) != former, f"another worker {number}")
    wait_for_event(crew, before, "worker_listening", worker=number, address=f"unix:run/authz/{number}.sock")


def restarts(crew: Door) -> int:
    return crew.authz.counted("authz_worker_restarts_total")


def reloads(crew: Door, outcome: str) -> int:
    return crew.authz.counted(f'authz_policy_reloads_total{{outcome="{outcome}"}}')


def of_instance(client: HttpClient) -> Answer:
    """Send a request with the same token each time."""
    claims = {"sub": INSTANCE, "gitlab_instance_id": INSTANCE}
    headers = {"x-gitlab-instance-id": INSTANCE}
    return client.ask("POST", "/ai/v2/code/completions", ["complete_code"], claims=claims, headers=headers)


def replace(file: Path, text: str) -> None:
    prepared = file.with_name(f".{file.name}.new")
    prepared.write_text(text, "utf-8")
    prepared.replace(file)


def reloaded(crew: Door, times: int) -> None:
    """Wait until so many reloads have succeeded."""
    crew.wait_until(lambda: reloads(crew, "success") == times, "a reload")


def revision(crew: Door) -> str:
    return str(json.loads(crew.authz.admin("/revision"))["revision"])


def test_half_of_the_workers_are_killed(crew: Door, loading: Loading) -> None:
    with loading():
        before, pids, count = len(crew.authz.events()), crew.authz.pids(), restarts(crew)
        for number in (0, 1):
            os.kill(pids[number], signal.SIGKILL)
        for number in (0, 1):
            wait_for_event(crew, before, "worker_restarted", worker=number, cause="killed by SIGKILL")
            replaced(crew, number, pids[number], before)
    assert crew.authz.pids()[2:] == pids[2:]
    assert restarts(crew) == count + 2


def test_one_worker_is_stopped(crew: Door, loading: Loading) -> None:
    with loading():
        before, pids, count = len(crew.authz.events()), crew.authz.pids(), restarts(crew)
        os.kill(pids[2], signal.SIGSTOP)
        wait_for_event(crew, before, "worker_restarted", worker=2, cause="no heartbeat for 3s")
        replaced(crew, 2, pids[2], before)
    assert restarts(crew) == count + 1


def test_all_workers_are_replaced_one_after_the_other(crew: Door, loading: Loading) -> None:
    with loading():
        before, pids, count = len(crew.authz.events()), crew.authz.pids(), restarts(crew)
        for number, pid in enumerate(pids):
            os.kill(pid, signal.SIGTERM)
            wait_for_event(crew, before, "worker_drained", worker=number)
            replaced(crew, number, pid, before)
    assert not set(crew.authz.pids()) & set(pids)
    assert restarts(crew) == count + WORKERS


@pytest.mark.timeout(300)
def test_the_policy_is_reloaded_every_second_for_a_minute(
    crew: Door, policy: Path, mint: Minter, loading: Loading
) -> None:
    """Each reload revokes an instance whose token is cached, or allows it again, in every worker."""
    client, pids, count = HttpClient(crew.plain, mint), crew.authz.pids(), reloads(crew, "success")
    revisions, failures = {revision(crew)}, reloads(crew, "failure")
    with loading() as load:
        began, pause = time.monotonic(), threading.Event()
        for number in range(RELOADS):
            is_locked_out = number % 2 == 0
            replace(policy / "revocations.yml", f"{LOCKED_OUT if is_locked_out else NOBODY}# {number}\n")
            reloaded(crew, count + number + 1)
            answers = {of_instance(client).status for _ in range(2 * WORKERS)}
            assert answers == {401 if is_locked_out else 200}
            load.others += 0 if is_locked_out else 2 * WORKERS
            revisions.add(revision(crew))
            pause.wait(began + (number + 1) * RELOAD_SECONDS - time.monotonic())
    assert len(revisions) == RELOADS + 1
    assert (reloads(crew, "failure"), crew.authz.pids()) == (failures, pids)


def test_a_broken_policy_changes_nothing(crew: Door, policy: Path, loading: Loading) -> None:
    before, in_force, pids = len(crew.authz.events()), revision(crew), crew.authz.pids()
    text, failures = (policy / "tiers.yml").read_text("utf-8"), reloads(crew, "failure")
    with loading() as load:
        replace(policy / "tiers.yml", text.replace("default: any", "defualt: any"))
        wait_for_event(crew, before, "policy_refused", revision=in_force)
        assert json.loads(crew.authz.admin("/readyz"))["last_reload_failure"]["problems"]
        keep_asking(crew, load)
        assert (reloads(crew, "failure"), revision(crew), crew.authz.pids()) == (failures + 1, in_force, pids)
        replace(policy / "tiers.yml", text)
        wait_for_event(crew, before, "policy_unchanged", revision=in_force)
    assert json.loads(crew.authz.admin("/readyz"))["last_reload_failure"] is None
