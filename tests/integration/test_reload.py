"""Policy and keys change while the service runs: the new ones are in force everywhere at once, broken ones nowhere."""

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from tests.support.files import edit, replace
from tests.support.integration.caller import Caller, healthy
from tests.support.integration.service import SECONDS, LogEvent, Service, running
from tests.support.minting import INSTANCE, Minter, request, write_keys
from tests.support.signing import key
from tests.support.waiting import until

WORKERS: Final = 2
RULE: Final = "path: /v2/code/completions"
KEYS: Final = "keys/customers-dot.jwks.json"


def serving(folder: Path, *flags: str, policy: str = "policy", keys: str = "keys") -> AbstractContextManager[Service]:
    sources = ("--policy", policy, "--keys", keys, "--listen", "unix:{worker}.sock")
    several = ("--workers", str(WORKERS), "--drain", "0s")
    variables = {"TMPDIR": str(folder / "tmp")}
    return running(folder, *sources, *several, *flags, variables=variables, listeners=WORKERS)


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """Two workers with a policy and keys of their own."""
    with serving(folder) as started:
        yield started


@pytest.fixture
def callers(service: Service, folder: Path) -> Iterator[list[Caller]]:  # noqa: ARG001  they ask it
    """A client of each worker."""
    with Caller(folder / "0.sock") as first, Caller(folder / "1.sock") as second:
        yield [first, second]


def codes(callers: list[Caller], message: bytes) -> list[int]:
    return [caller.code(message) for caller in callers]


def in_force(service: Service, times: int = 1) -> str:
    """Wait for the line that says so, and return the revision."""
    return str(service.wait_for("policy_in_force", times, workers=WORKERS)["revision"])


OTHER_RULE: Final = "path: /v3/code/completions"
OTHER: Final = "/ai/v3/code/completions"


def test_an_edited_rule_is_in_force_in_every_worker(service: Service, callers: list[Caller], folder: Path) -> None:
    before = {number: service.worker(number) for number in range(WORKERS)}
    token = Minter(now=time.time()).token()
    assert codes(callers, request(token=token)) == [0, 0]
    edit(folder / "policy/rules/ai_gateway.yml", ("path: /v2/code/completions", "path: /v9/code/completions"))
    revision = in_force(service)
    assert codes(callers, request(token=token)) == [5, 5]
    assert codes(callers, request("/ai/v9/code/completions", token=token)) == [0, 0]
    (loaded,) = service.events("policy_loaded")
    assert service.events("policy_in_force", level="info", policy="policy", previous_revision=loaded["revision"])
    assert re.fullmatch(r"\w{16}", revision)
    assert revision != loaded["revision"]
    assert {number: service.worker(number) for number in range(WORKERS)} == before


def test_a_write_in_place_is_seen_as_well(service: Service, callers: list[Caller], folder: Path) -> None:
    file = folder / "policy/rules/ai_gateway.yml"
    file.write_text(file.read_text().replace("path: /v2/code/completions", "path: /v9/code/completions"))
    in_force(service)
    assert codes(callers, healthy()) == [5, 5]


def test_a_removed_key_refuses_a_token_that_is_remembered(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    message = request(token=Minter(now=time.time()).token())
    for _ in range(3):
        assert codes(callers, message) == [0, 0]
    write_keys(folder / "keys", {"customers-dot": [key("another")]})
    in_force(service)
    answers = [caller.answer(message) for caller in callers]
    assert [answer.status.code for answer in answers] == [16, 16]
    assert all('"reason": "invalid_token"' in answer.denied_response.body for answer in answers)


def test_a_revocation_refuses_a_token_that_is_remembered(service: Service, callers: list[Caller], folder: Path) -> None:
    message = request(token=Minter(now=time.time()).token())
    assert codes(callers, message) == [0, 0]
    replace(folder / "policy/revocations.yml", f"instances: [{{value: {INSTANCE}, reason: stolen}}]\n")
    in_force(service)
    assert codes(callers, message) == [16, 16]
    (folder / "policy/revocations.yml").unlink()
    in_force(service, 2)
    assert codes(callers, message) == [0, 0]


def test_a_new_key_lets_its_tokens_in(service: Service, callers: list[Caller], folder: Path) -> None:
    minter = Minter(now=time.time())
    newcomer = key("customers-dot-new")
    message = request(token=minter.token(key=newcomer, header={"kid": newcomer.kid}))
    assert codes(callers, message) == [16, 16]
    file = folder / KEYS
    replace(file, json.dumps({"keys": [*json.loads(file.read_text())["keys"], newcomer.jwk()]}))
    in_force(service)
    assert codes(callers, message) == [0, 0]


def test_workers_load_no_schemas_and_no_yaml_at_the_start_nor_with_a_reload(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    """Their parts are in the memory of a process that has loaded them: of the supervisor, and of no worker."""
    edit(folder / "policy/rules/ai_gateway.yml", (RULE, "path: /v9/code/completions"))
    in_force(service)
    assert codes(callers, healthy()) == [5, 5]
    parts = {"_pydantic_core", "yaml/_yaml"}
    assert loaded(service.process.pid, parts) == parts
    for number in range(WORKERS):
        assert loaded(service.worker(number), parts) == set()


def loaded(pid: int, parts: set[str]) -> set[str]:
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {part for part in parts if part in maps}


# ---- broken ones


def test_a_broken_policy_is_reported_with_file_and_line_and_the_old_one_serves(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    revision = service.events("policy_loaded")[0]["revision"]
    edit(folder / "policy/tiers.yml", ("default: any", "defualt: any"))
    line = service.wait_for("policy_refused", level="error", policy="policy", revision=revision)
    assert len(service.events("policy_refused")) == 1
    assert {problem["file"] for problem in line["problems"]} == {"policy/tiers.yml"}
    assert all(problem["line"] > 0 and problem["message"] for problem in line["problems"])
    assert codes(callers, healthy()) == [0, 0]
    edit(folder / "policy/tiers.yml", ("defualt: any", "default: any"))
    service.wait_for("policy_unchanged", policy="policy", revision=revision)
    assert codes(callers, healthy()) == [0, 0]


def test_every_problem_of_policy_and_keys_is_in_the_line(service: Service, folder: Path) -> None:
    (folder / KEYS).write_text("{")
    edit(folder / "policy/tiers.yml", ("default: any", "defualt: any"))
    service.process.send_signal(signal.SIGHUP)
    until(lambda: {KEYS, "policy/tiers.yml"} in [files(line) for line in service.events("policy_refused")])


def files(line: LogEvent) -> set[str]:
    return {problem["file"] for problem in line["problems"]}


def test_after_a_broken_policy_a_good_one_comes_into_force(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    edit(folder / "policy/rules/ai_gateway.yml", ("path: /v2/code/completions", "path: v9"))
    service.wait_for("policy_refused")
    edit(folder / "policy/rules/ai_gateway.yml", ("path: v9", "path: /v9/code/completions"))
    in_force(service)
    assert codes(callers, healthy()) == [5, 5]


def test_a_worker_that_is_replaced_gets_the_last_good_policy_whatever_lies_there(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    edit(folder / "policy/rules/ai_gateway.yml", ("path: /v2/code/completions", "path: /v9/code/completions"))
    in_force(service)
    shutil.rmtree(folder / "policy")
    missing = "is not a directory: name a policy directory with --policy"
    service.wait_for("policy_refused", problems=[{"file": "policy", "line": 0, "message": missing}])
    os.kill(service.worker(1), signal.SIGKILL)
    service.wait_for("worker_listening", 2, address="unix:1.sock")
    with Caller(folder / "1.sock") as caller:
        assert codes([callers[0], caller], healthy()) == [5, 5]
        assert caller.code(request("/ai/v9/code/completions", token=Minter(now=time.time()).token())) == 0


def test_an_emptied_keys_folder_is_refused_even_where_empty_issuers_may_start(folder: Path) -> None:
    with serving(folder, "--allow-empty-issuers") as service, Caller(folder / "0.sock") as caller:
        (folder / KEYS).unlink()
        (problem,) = service.wait_for("policy_refused")["problems"]
        assert problem["file"] == "keys"
        assert problem["message"].startswith("issuer 'customers-dot' has keys in force and none here: put one back, ")
        assert caller.code(healthy()) == 0


def test_a_copy_that_cannot_be_written_is_reported_and_the_old_policy_serves(
    service: Service, callers: list[Caller], folder: Path
) -> None:
    (snapshots,) = (folder / "tmp").iterdir()
    snapshots.rename(folder / "aside")
    snapshots.write_text("no folder")
    service.process.send_signal(signal.SIGHUP)
    (problem,) = service.wait_for("policy_refused")["problems"]
    assert problem["message"].startswith("cannot be copied to ")
    assert codes(callers, healthy()) == [0, 0]
    snapshots.unlink()
    (folder / "aside").rename(snapshots)
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("policy_unchanged")


# ---- how it is asked for


def test_sighup_reads_again_and_logs_that_nothing_changed(service: Service) -> None:
    for times in (1, 2):
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("policy_unchanged", times, policy="policy")
    assert not service.events("policy_in_force")


def test_a_mounted_volume_is_swapped(folder: Path) -> None:
    """As Kubernetes does it: ..data is a link to a hidden folder and is moved; what is in use are links through it."""
    mount = folder / "mount"
    for name in ("policy", "keys"):
        (mount / "..1" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(mount / "..1" / name)
        (mount / name).symlink_to(f"..data/{name}")
    (mount / "..data").symlink_to("..1")
    with serving(folder, policy="mount/policy", keys="mount/keys") as service, Caller(folder / "0.sock") as caller:
        for version in (2, 3):
            shutil.copytree(mount / "..1", mount / f"..{version}")
            file = mount / f"..{version}/policy/rules/ai_gateway.yml"
            file.write_text(file.read_text().replace(RULE, f"path: /v{version}0/code/completions"))
            (mount / "..new").symlink_to(f"..{version}")
            (mount / "..new").replace(mount / "..data")
            in_force(service, version - 1)
            assert caller.code(healthy()) == 5
            token = Minter(now=time.time()).token()
            assert caller.code(request(f"/ai/v{version}0/code/completions", token=token)) == 0
        shutil.rmtree(mount / "..2")
        write_keys(mount / "..3/keys", {"customers-dot": [key("another")]})
        in_force(service, 3)


def test_a_folder_that_is_replaced_by_another_is_seen(service: Service, callers: list[Caller], folder: Path) -> None:
    shutil.copytree(folder / "policy", folder / "next")
    edit(folder / "next/rules/ai_gateway.yml", (RULE, "path: /v9/code/completions"))
    (folder / "policy").rename(folder / "former")
    (folder / "next").rename(folder / "policy")
    in_force(service)
    assert codes(callers, healthy()) == [5, 5]
    edit(folder / "policy/rules/ai_gateway.yml", ("path: /v9/code/completions", RULE))
    in_force(service, 2)
    assert codes(callers, healthy()) == [0, 0]


def test_of_many_edits_the_last_is_in_force(service: Service, callers: list[Caller], folder: Path) -> None:
    file = folder / "policy/rules/ai_gateway.yml"
    text = file.read_text()
    for number in range(50):
        replace(file, text.replace(RULE, f"path: /v{number + 10}/code/completions"))
    message = request("/ai/v59/code/completions", token=Minter(now=time.time()).token())
    until(lambda: codes(callers, message) == [0, 0])
    assert not service.events("policy_refused")


# ---- and meanwhile


def test_requests_during_reloads_are_answered_as_before_or_after(service: Service, folder: Path) -> None:
    """Every request is answered, and as one of the two policies would."""
    answered: list[list[int]] = [[], []]
    ended = threading.Event()
    token = Minter(now=time.time()).token()

    def load(number: int) -> None:
        with Caller(folder / f"{number}.sock") as caller:
            while not ended.is_set():
                answered[number].append(caller.code(request(token=token)))
                answered[number].append(caller.code(request(token="not.a.token")))

    file = folder / "policy/rules/ai_gateway.yml"
    text = file.read_text()
    with ThreadPoolExecutor(WORKERS) as pool:
        loading = [pool.submit(load, number) for number in range(WORKERS)]
        try:
            for number in range(1, 9):
                replace(file, f"{text}# {number}\n")
                in_force(service, number)
        finally:
            ended.set()
        for each in loading:
            each.result(SECONDS)
    for found in answered:
        assert len(found) > 8
        assert found == [0, 16] * (len(found) // 2)


def test_one_snapshot_is_kept_and_none_is_left_behind(service: Service, folder: Path) -> None:
    file = folder / "policy/tiers.yml"
    for number in range(1, 4):
        replace(file, f"{file.read_text()}# {number}\n")
        in_force(service, number)
    (snapshots,) = (folder / "tmp").iterdir()
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("policy_unchanged")
    until(lambda: len(list(snapshots.glob("[0-9]*"))) == 1)
    service.process.terminate()
    assert service.ended() == 0
    assert list((folder / "tmp").iterdir()) == []
