"""Several workers: each on its own address, replaced when it dies or hangs, and Envoy always knows which there are."""

import json
import os
import re
import signal
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from authz.serving.supervision.crew import STARTS
from tests.support.integration.caller import Caller, healthy
from tests.support.integration.service import COMMAND, SECONDS, Service, refused, running
from tests.support.minting import request
from tests.support.waiting import until

WORKERS: Final = 3
"""More than this machine may have cores; few enough to be quick."""


def crew(folder: Path, *flags: str, command: Sequence[str] = COMMAND) -> AbstractContextManager[Service]:
    """Run several workers that do not pause before they end."""
    listen = ("--keys", "keys", "--listen", "unix:run/{worker}.sock", "--endpoints-file", "run/endpoints.json")
    several = ("--workers", str(WORKERS), "--drain", "0s")
    return running(folder, *listen, *several, *flags, listeners=WORKERS, command=command)


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """Three workers."""
    with crew(folder) as started:
        yield started


def endpoints(folder: Path) -> list[str]:
    """Return the sockets in the list for Envoy."""
    document = json.loads((folder / "run/endpoints.json").read_text())
    (assignment,) = document["resources"]
    (locality,) = assignment["endpoints"]
    return [each["endpoint"]["address"]["pipe"]["path"] for each in locality["lb_endpoints"]]


ALL: Final = [f"run/{number}.sock" for number in range(WORKERS)]


def all_answer(folder: Path) -> None:
    for number in range(WORKERS):
        with Caller(folder / f"run/{number}.sock") as caller:
            assert caller.code(healthy()) == 0
            assert caller.code(request()) == 16


def test_each_worker_answers_on_its_own_socket(service: Service, folder: Path) -> None:
    all_answer(folder)
    assert len({service.worker(number) for number in range(WORKERS)} | {service.process.pid}) == WORKERS + 1
    for number in range(WORKERS):
        assert stat.S_IMODE((folder / f"run/{number}.sock").stat().st_mode) == 0o660


@pytest.mark.usefixtures("service")
def test_envoy_gets_the_address_of_every_worker(folder: Path) -> None:
    until(lambda: endpoints(folder) == ALL, "three endpoints")


def test_the_supervisor_holds_no_grpc(service: Service) -> None:
    """Its parts are in the memory of a process that has loaded it, and only there."""
    assert "cygrpc" in Path(f"/proc/{service.worker(0)}/maps").read_text()
    assert "grpc" not in Path(f"/proc/{service.process.pid}/maps").read_text()


def test_workers_listen_on_ports_counted_from_one(folder: Path) -> None:
    with running(folder, "--keys", "keys", "--listen", "127.0.0.1:0") as first:
        (address,) = first.addresses()
    free = int(address.rpartition(":")[2])
    listen = f"127.0.0.1:{{{free}+worker}}"
    with running(folder, "--keys", "keys", "--workers", "2", "--listen", listen, listeners=2) as service:
        assert sorted(service.addresses()) == sorted(f"127.0.0.1:{free + number}" for number in range(2))


# ---- death


def test_a_killed_worker_is_replaced_on_its_socket_and_the_others_serve_on(service: Service, folder: Path) -> None:
    before = [service.worker(number) for number in range(WORKERS)]
    os.kill(before[1], signal.SIGKILL)
    service.wait_for("worker_restarted", worker=1, cause="killed by SIGKILL", delay_s=0.1)
    service.wait_for("worker_listening", 2, address="unix:run/1.sock")
    all_answer(folder)
    assert [service.worker(number) == before[number] for number in range(WORKERS)] == [True, False, True]


def test_envoy_does_not_get_the_address_of_a_dead_worker(service: Service, folder: Path) -> None:
    until(lambda: endpoints(folder) == ALL, "three endpoints")
    seen: list[list[str]] = []
    os.kill(service.worker(1), signal.SIGKILL)

    def back() -> bool:
        seen.append(endpoints(folder))
        return len(service.events("worker_listening", address="unix:run/1.sock")) == 2 and seen[-1] == ALL

    until(back, "the way back")
    assert [ALL[0], ALL[2]] in seen


def test_all_killed_at_once_come_back(service: Service, folder: Path) -> None:
    for number in range(WORKERS):
        os.kill(service.worker(number), signal.SIGKILL)
    for number in range(WORKERS):
        service.wait_for("worker_listening", 2, address=f"unix:run/{number}.sock")
    all_answer(folder)


def test_a_stopped_worker_is_found_and_replaced(service: Service, folder: Path) -> None:
    os.kill(service.worker(2), signal.SIGSTOP)
    service.wait_for("worker_restarted", level="warning", worker=2, cause="no heartbeat for 3s", delay_s=0.1)
    service.wait_for("worker_listening", 2, address="unix:run/2.sock")
    all_answer(folder)


def test_calls_on_the_others_do_not_notice(service: Service, folder: Path) -> None:
    """Zero wrong answers and zero failures on the socket of a worker that nothing happens to."""
    codes: list[int] = []
    ended = threading.Event()

    def load() -> None:
        with Caller(folder / "run/0.sock") as caller:
            while not ended.is_set():
                codes.append(caller.code(healthy()))
                codes.append(caller.code(request()))

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        os.kill(service.worker(1), signal.SIGKILL)
        os.kill(service.worker(2), signal.SIGTERM)
        service.wait_for("worker_listening", 2, address="unix:run/1.sock")
        service.wait_for("worker_listening", 2, address="unix:run/2.sock")
        ended.set()
        loading.result(SECONDS)
    assert codes
    assert codes == [0, 16] * (len(codes) // 2)


# ---- drain


def test_one_worker_drains_on_sigterm_and_is_replaced(service: Service, folder: Path) -> None:
    before = service.worker(1)
    os.kill(before, signal.SIGTERM)
    service.wait_for("worker_draining", worker=1)
    service.wait_for("worker_drained", level="info", worker=1)
    service.wait_for("worker_listening", 2, address="unix:run/1.sock")
    assert service.worker(1) != before
    all_answer(folder)
    until(lambda: endpoints(folder) == ALL, "three endpoints")


def test_a_worker_that_drains_leaves_envoys_list_and_still_answers(folder: Path) -> None:
    with crew(folder, "--drain", "1h") as service, Caller(folder / "run/1.sock") as caller:
        assert caller.is_healthy()
        os.kill(service.worker(1), signal.SIGTERM)
        service.wait_for("worker_draining", worker=1)
        until(lambda: endpoints(folder) == [ALL[0], ALL[2]], "one endpoint less")
        assert not caller.is_healthy()
        assert caller.code(healthy()) == 0
        assert caller.code(request()) == 16


def test_a_rolling_replacement_ends_with_three_others(service: Service, folder: Path) -> None:
    before = [service.worker(number) for number in range(WORKERS)]
    for number in range(WORKERS):
        os.kill(before[number], signal.SIGTERM)
        service.wait_for("worker_listening", 2, address=f"unix:run/{number}.sock")
    assert not {service.worker(number) for number in range(WORKERS)} & set(before)
    all_answer(folder)


def test_all_end_on_sigterm_and_so_does_envoys_list(service: Service, folder: Path) -> None:
    pids = [service.worker(number) for number in range(WORKERS)]
    service.process.terminate()
    assert service.ended() == 0
    assert service.events()[-1]["event"] == "service_stopped"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert list((folder / "run").iterdir()) == []


def test_while_they_drain_they_report_it_and_answer_and_a_second_signal_ends_it_at_once(folder: Path) -> None:
    with crew(folder, "--drain", "1h") as service, Caller(folder / "run/1.sock") as caller:
        pids = [service.worker(number) for number in range(WORKERS)]
        assert caller.is_healthy()
        service.process.send_signal(signal.SIGINT)
        service.wait_for("service_stopping")
        until(lambda: not caller.is_healthy(), "health turned")
        assert caller.code(healthy()) == 0
        assert endpoints(folder) == ALL
        service.process.send_signal(signal.SIGINT)
        assert service.ended() == 1
        assert service.events()[-1]["event"] == "service_aborted"
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not (folder / "run/endpoints.json").exists()


def test_interrupts_of_a_terminal_do_not_kill_workers(service: Service, folder: Path) -> None:
    """Ctrl-C reaches the whole group; what it means for workers, the supervisor says."""
    for number in range(WORKERS):
        os.kill(service.worker(number), signal.SIGINT)
        os.kill(service.worker(number), signal.SIGHUP)
    all_answer(folder)
    assert len(service.events("worker_started")) == WORKERS


def test_workers_end_when_their_supervisor_is_killed(folder: Path) -> None:
    with crew(folder, "--drain", "1h") as service:
        pids = [service.worker(number) for number in range(WORKERS)]
        service.process.kill()
        service.ended()
        until(lambda: not any(alive(pid) for pid in pids), "the end of the workers")
    with crew(folder):
        all_answer(folder)


def alive(pid: int) -> bool:
    """Say whether there is such a process that has not ended yet, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# ---- what cannot be


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none/e.json", "folder none does not exist: make it first"),
        ("/proc/1/e.json", "folder /proc/1 is not writable"),
    ],
)
def test_an_endpoints_file_that_cannot_be_is_one_clear_line(folder: Path, file: str, message: str) -> None:
    code, error = refused(folder, "--keys", "keys", "--listen", "unix:run/0.sock", "--endpoints-file", file)
    assert code == 1
    assert error.splitlines()[-1] == f"Error: --endpoints-file {file}: {message}"
    assert not (folder / "run/0.sock").exists()


def test_one_address_in_use_stops_all_of_them(folder: Path) -> None:
    with running(folder, "--keys", "keys", "--listen", "unix:run/1.sock"):
        listen = ("--listen", "unix:run/{worker}.sock", "--workers", "3")
        code, error = refused(folder, "--keys", "keys", *listen)
    assert code == 1
    message = "another process answers there: stop it or name another path"
    assert error.splitlines()[-1] == f"Error: cannot listen on unix:run/1.sock: {message}"


def test_too_few_file_handles_are_one_clear_line_with_the_number(folder: Path) -> None:
    command = ("/bin/sh", "-c", 'ulimit -n 100 && exec "$0" "$@"', *COMMAND)
    code, error = refused(folder, "--keys", "keys", "--listen", "unix:run/0.sock", command=command)
    assert code == 1
    assert error == "Error: 100 file handles are too few, 136 are needed: raise the limit (ulimit -Hn)\n"


def test_no_room_for_the_copy_of_the_policy_is_one_clear_line(folder: Path) -> None:
    command = ("/bin/sh", "-c", 'ulimit -f 1 && exec "$0" "$@"', *COMMAND)
    variables = {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    code, error = refused(folder, "--keys", "keys", "--listen", "unix:run/0.sock", variables=variables, command=command)
    assert code == 1
    assert re.fullmatch(
        rf"Error: policy and keys cannot be copied to {folder}/authz-[0-9]+-\w+/0: File too large\n", error
    )
    assert not (folder / "run/0.sock").exists()
    assert not list(folder.glob("authz-*"))


def test_few_file_handles_are_a_warning_and_the_soft_limit_is_raised(folder: Path) -> None:
    command = ("/bin/sh", "-c", 'ulimit -Sn 50; ulimit -Hn 512; exec "$0" "$@"', *COMMAND)
    with crew(folder, command=command) as service:
        assert service.events("few_file_handles", level="warning", available=512, recommended=1024)
        limits = Path(f"/proc/{service.worker(0)}/limits").read_text()
        assert re.search(r"Max open files\s+512\s+512", limits)


def test_when_no_worker_can_start_it_ends_and_says_why(folder: Path) -> None:
    """The folder of the socket goes after the supervisor has looked at it: here, once the worker listens."""
    cause = "cannot listen on unix:run/0.sock: folder run does not exist: make it first"
    with running(folder, "--keys", "keys", "--listen", "unix:run/0.sock") as service:
        (folder / "run/0.sock").unlink()
        (folder / "run").rmdir()
        os.kill(service.worker(0), signal.SIGKILL)
        for start in range(1, STARTS):
            service.wait_for("worker_restarted", start, level="warning", worker=0, cause=cause)
        assert service.ended() == 1
        (last,) = service.events("no_worker_can_start", level="error", attempts=STARTS, cause=cause)
        assert service.events()[-1] == last


def test_a_list_for_envoy_that_cannot_be_written_is_reported_and_written_as_soon_as_it_can(folder: Path) -> None:
    (folder / "lists").mkdir()
    with crew(folder, "--endpoints-file", "lists/e.json") as service:
        until((folder / "lists/e.json").exists, "the list")
        (folder / "lists").rename(folder / "away")
        os.kill(service.worker(0), signal.SIGKILL)
        service.wait_for("endpoints_file_not_written", file="lists/e.json", cause="No such file or directory")
        service.wait_for("worker_listening", 2, address="unix:run/0.sock")
        (folder / "lists").mkdir()
        until((folder / "lists/e.json").exists, "the list")
        until(lambda: "run/0.sock" in (folder / "lists/e.json").read_text(), "the worker in the list")
        assert len(service.events("endpoints_file_not_written")) == 1
