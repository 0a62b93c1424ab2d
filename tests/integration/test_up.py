"""`make up` on ports of its own, in a copy of what it needs: what it prints is true, and it leaves nothing behind."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from dev.up.plan import NeededPort, PlanError, check_free, sample_backends
from tests.support.repository import ROOT as REPOSITORY

SERVICES = ("ai_gateway", "duo_workflow_service", "observability", "sast")
LAST_LINE = "Ctrl-C stops all of it"
ENDED = {"Z", "X"}
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy of the files that a run needs, and the ports that it is to take."""

    folder: Path
    door: tuple[int, int, int, int]
    backends: tuple[int, ...]

    def up(self, *more: str) -> subprocess.Popen[str]:
        plain, tls, admin, authz = map(str, self.door)
        ports = ("--port", plain, "--tls-port", tls, "--admin-port", admin, "--authz-port", authz)
        return self.start(*ports, *more)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (sys.executable, "-m", "dev.up", *arguments),
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def all_ports(self) -> tuple[NeededPort, ...]:
        return tuple(NeededPort(port, str(port)) for port in (*self.door, *self.backends))


@dataclass(frozen=True, slots=True)
class Opened:
    """A run that has printed everything."""

    checkout: Checkout
    process: subprocess.Popen[str]
    printed: str

    def requests(self) -> list[httpx.Request]:
        """The printed commands, as the requests that curl would send."""
        commands = re.findall(r"^curl -i (?:.*\\\n)+.*", self.printed, re.MULTILINE)
        return [_as_request(shlex.split(command.replace("\\\n", " "))) for command in commands]


def _as_request(words: list[str]) -> httpx.Request:
    pairs = list(pairwise(words))
    headers = [(text.partition(": ")[0], text.partition(": ")[2]) for flag, text in pairs if flag == "-H"]
    (method,) = (text for flag, text in pairs if flag == "-X")
    (url,) = (word for word in words if word.startswith("http://"))
    return httpx.Request(method, url, headers=headers)


def send(request: httpx.Request) -> httpx.Response:
    with httpx.Client() as client:
        return client.send(request)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


def make_checkout(folder: Path) -> Checkout:
    for name in ("dev", "envoy"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    clusters = folder / "envoy" / "dynamic" / "clusters.yaml"
    shipped = [port for each in sample_backends(clusters) for port in each.ports()]
    plain, tls, admin, authz, *backends = free_ports(4 + len(shipped))
    renamed = dict(zip(map(str, shipped), map(str, backends), strict=True))
    clusters.write_text(re.sub(r"(?<=port_value: )\d+", lambda port: renamed[port[0]], clusters.read_text()))
    return Checkout(folder, (plain, tls, admin, authz), tuple(backends))


def opened(checkout: Checkout) -> Iterator[Opened]:
    with checkout.up() as process:
        try:
            yield Opened(checkout, process, printed_until(process, LAST_LINE))
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    yield from opened(make_checkout(tmp_path_factory.mktemp("checkout")))


@pytest.fixture
def own_door(checkout: Checkout) -> Iterator[Opened]:
    yield from opened(checkout)


def printed_until(process: subprocess.Popen[str], mark: str) -> str:
    """What it has printed, up to the line with `mark`."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if mark in line:
            return printed
    pytest.fail(f"it ended without saying '{mark}':\n{printed}")


def descendants(parent: int) -> dict[int, str]:
    """Children and children's children that have not ended, with their command lines."""
    found: dict[int, str] = {}
    wanted = {parent}
    for pid, ppid in sorted(_parents().items()):
        if ppid in wanted:
            wanted.add(pid)
            found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return found


def _parents() -> dict[int, int]:
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = status.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in ENDED:
            parents[int(status.parent.name)] = int(ppid)
    return parents


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_gone(checkout: Checkout, processes: dict[int, str]) -> bool:
    check_free(checkout.all_ports())
    return not processes.keys() & _parents().keys()


def test_the_first_printed_request_reaches_a_backend_without_its_prefix(door: Opened) -> None:
    answer = send(door.requests()[0])
    assert answer.status_code == 200
    assert answer.json()["name"] in {"ai_gateway-1", "ai_gateway-2"}
    assert answer.json()["path"] == "/v2/code/completions"


def test_the_second_printed_request_is_refused_with_the_printed_answer(door: Opened) -> None:
    answer = send(door.requests()[1])
    (printed,) = (json.loads(line) for line in door.printed.splitlines() if line.startswith("{"))
    assert answer.status_code == 403
    assert "Refused, 403" in door.printed
    assert {**answer.json(), "request_id": ""} == {**printed, "request_id": ""}
    assert printed["reason"] == "missing_scope"


def test_every_backend_is_behind_the_door(door: Opened) -> None:
    commands = " ".join(descendants(door.process.pid).values())
    names = {f"{service}-{number}" for service in SERVICES for number in (1, 2)}
    assert {name for name in names if f"--sample {name}:" in commands} == names


def test_secrets_are_readable_for_their_owner_only(door: Opened) -> None:
    run = door.checkout.folder / "run"
    secrets = [run / "tls" / "tls.key", *(run / "keys" / "private").glob("*.pem")]
    assert len(secrets) > 1
    assert {stat.S_IMODE(secret.stat().st_mode) for secret in secrets} == {0o600}


def test_a_route_that_is_moved_into_place_takes_effect(door: Opened) -> None:
    routes = door.checkout.folder / "envoy" / "dynamic" / "routes.yaml"
    shipped = routes.read_text()

    def move_into_place(text: str) -> None:
        draft = routes.with_name("draft")
        draft.write_text(text)
        draft.replace(routes)

    moved = httpx.Request("GET", f"http://127.0.0.1:{door.checkout.door[0]}/sast/scan")
    assert send(moved).status_code == 405
    try:
        move_into_place(shipped.replace("path_separated_prefix: /sast}", "path_separated_prefix: /moved}"))
        assert eventually(lambda: send(moved).status_code == 404)
    finally:
        move_into_place(shipped)


def apply(checkout: Checkout) -> str:
    """What `make apply` says."""
    command = (sys.executable, "-m", "dev.envoy", "apply")
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=True).stdout


def test_apply_says_that_an_edited_bootstrap_needs_a_new_start(door: Opened) -> None:
    bootstrap = door.checkout.folder / "envoy" / "envoy.yaml"
    shipped = bootstrap.read_text()
    assert "only at its start" not in apply(door.checkout)
    try:
        bootstrap.write_text(shipped.replace("port_value: 8080", "port_value: 8081"))
        assert apply(door.checkout).splitlines()[0] == (
            "envoy/rendered/embedded/envoy.yaml: edited, but Envoy reads it only at its start: "
            "stop this Envoy and start it again"
        )
    finally:
        bootstrap.write_text(shipped)


def test_a_second_clone_runs_beside_the_first_with_every_port_moved(door: Opened, tmp_path: Path) -> None:
    beside = make_checkout(tmp_path)
    clusters = Path("envoy", "dynamic", "clusters.yaml")
    shutil.copy(door.checkout.folder / clusters, beside.folder / clusters)
    routes = beside.folder / "envoy" / "dynamic" / "routes.yaml"
    with beside.up("--port-offset", str(_free_offset(door.checkout.backends))) as process:
        try:
            second = Opened(beside, process, printed_until(process, LAST_LINE))
            assert send(second.requests()[0]).status_code == 200
            assert "nothing to apply" in apply(beside)
            routes.write_text(
                routes.read_text().replace("path_separated_prefix: /sast}", "path_separated_prefix: /new}")
            )
            assert apply(beside) == "run/envoy/dynamic/routes.yaml: Envoy uses it now\n"
            assert send(httpx.Request("GET", f"http://127.0.0.1:{beside.door[0]}/sast/scan")).status_code == 404
            assert send(second.requests()[0]).status_code == 200
        finally:
            process.terminate()
    assert send(door.requests()[0]).status_code == 200


def _free_offset(ports: tuple[int, ...]) -> int:
    """By how much all of them can be moved to ports that nobody uses."""
    offsets: list[int] = [*range(200, 3000, 37), *range(-200, -9000, -37)]
    return next(offset for offset in offsets if are_free(ports, offset))


def are_free(ports: tuple[int, ...], offset: int) -> bool:
    try:
        check_free(NeededPort(port + offset, str(port)) for port in ports)
    except PlanError:
        return False
    return True


def test_a_second_one_says_which_process_runs_already(door: Opened) -> None:
    second = door.checkout.up()
    said, _ = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert said.splitlines() == [
        f"make up: it is running already, as process {door.process.pid}: "
        f"stop that one first (Ctrl-C there, or kill {door.process.pid})"
    ]
    assert send(door.requests()[0]).status_code == 200


def test_ctrl_c_ends_all_of_it(own_door: Opened) -> None:
    running = descendants(own_door.process.pid)
    assert len(running) > 3 + 2  # backends, authz and Envoy; a guard, and workers of authz
    own_door.process.send_signal(signal.SIGINT)
    said, _ = own_door.process.communicate(timeout=PATIENCE_SECONDS)
    assert own_door.process.returncode == 0
    assert said.strip() == "Stopped; nothing is left running."
    assert is_gone(own_door.checkout, running)
    assert list((own_door.checkout.folder / "run" / "authz").iterdir()) == []


def test_a_part_that_hangs_is_killed_and_a_second_ctrl_c_cannot_prevent_it(own_door: Opened) -> None:
    running = descendants(own_door.process.pid)
    (hanging,) = (pid for pid, command in running.items() if "--sample sast-1:" in command)
    os.kill(hanging, signal.SIGSTOP)
    own_door.process.send_signal(signal.SIGINT)
    assert eventually(lambda: len(descendants(own_door.process.pid)) < len(running))
    own_door.process.send_signal(signal.SIGINT)
    assert own_door.process.wait(PATIENCE_SECONDS) == 0
    assert is_gone(own_door.checkout, running)


def test_nothing_outlives_even_a_kill(own_door: Opened) -> None:
    running = descendants(own_door.process.pid)
    own_door.process.kill()
    assert eventually(lambda: not running.keys() & _parents().keys())
    assert is_gone(own_door.checkout, running)


def test_a_part_that_dies_is_named_and_ends_the_others(own_door: Opened) -> None:
    running = descendants(own_door.process.pid)
    (authz,) = (pid for pid, command in running.items() if "authz serve" in command)
    os.kill(authz, signal.SIGKILL)
    said, _ = own_door.process.communicate(timeout=PATIENCE_SECONDS)
    assert own_door.process.returncode == 1
    assert said.startswith("make up: authz was killed by SIGKILL; the end of run/logs/authz.log:\n")
    printed = [line.removeprefix("  ") for line in said.splitlines()[1:]]
    assert len(printed) > 1
    assert set(printed) <= set((own_door.checkout.folder / "run" / "logs" / "authz.log").read_text().splitlines())
    assert is_gone(own_door.checkout, running)


@pytest.fixture
def heeded_hangup() -> Iterator[None]:
    """Under nohup this process ignores the signal, and what it starts would inherit that."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, inherited)


@pytest.mark.usefixtures("heeded_hangup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_ends_it_as_well(checkout: Checkout, number: signal.Signals) -> None:
    with checkout.up() as process:
        printed_until(process, "backends")
        running = descendants(process.pid)
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert said.endswith("Stopped; nothing is left running.\n")
    assert is_gone(checkout, running)


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (0, "or make up PORT="),
        (1, "or make up TLS_PORT="),
        (2, "or make up ADMIN_PORT="),
        (3, "or make up AUTHZ_PORT="),
    ],
)
def test_a_port_of_the_door_in_use_is_one_clear_line(checkout: Checkout, number: int, mend: str) -> None:
    said = refusal_while_in_use(checkout, checkout.door[number])
    assert said.startswith(f"make up: port {checkout.door[number]} is in use, and ")
    assert mend in said


def test_a_port_of_a_backend_in_use_is_one_clear_line(checkout: Checkout) -> None:
    said = refusal_while_in_use(checkout, checkout.backends[-1])
    assert said == (
        f"make up: port {checkout.backends[-1]} is in use, and sast-2 needs it: "
        "end the program that listens there, or move every port: make up PORT_OFFSET=1000"
    )


def test_every_port_in_use_is_told_at_once(checkout: Checkout) -> None:
    taken = (checkout.door[0], checkout.door[2], checkout.backends[0])
    with ExitStack() as held:
        for port in taken:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        said, _ = checkout.up().communicate(timeout=PATIENCE_SECONDS)
    *lines, advice = said.splitlines()
    assert re.findall(r"port (\d+) is in use", "\n".join(lines)) == list(map(str, taken))
    assert advice == "end the programs that listen there, or move every port: make up PORT_OFFSET=1000"


def test_who_has_moved_the_ports_is_told_to_move_them_further() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [NeededPort(each.getsockname()[1], "Envoy") for each in (one, two)]
        with pytest.raises(PlanError, match=r"move every port: make up PORT_OFFSET=2000$"):
            check_free(taken, offset=1000)


@pytest.mark.parametrize("setting", ["PORT=abc", "TLS_PORT=0", "ADMIN_PORT=65536", "PORT_OFFSET=1e3", "PORT=-1"])
def test_a_port_that_is_none_is_told_by_the_name_that_was_written(checkout: Checkout, setting: str) -> None:
    name, _, value = setting.partition("=")
    asked = subprocess.run(
        (sys.executable, "-m", "dev.up"),
        cwd=checkout.folder,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    (line,) = asked.stderr.splitlines()
    assert re.fullmatch(
        rf"make up: {setting} will not do: give a number from -?\d+ to 65535, as in make up {name}=\d+", line
    )


def refusal_while_in_use(checkout: Checkout, port: int) -> str:
    """The one line it says; nothing was started or made."""
    with socket.create_server(("127.0.0.1", port)):
        process = checkout.up()
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert not (checkout.folder / "run" / "keys").exists()
    (line,) = said.splitlines()[1:]
    return line


def test_broken_keys_are_told_in_the_words_of_authz(checkout: Checkout) -> None:
    keys = checkout.folder / "run" / "keys"
    subprocess.run((Path(sys.executable).with_name("authz"), "keys", "generate", keys), check=True, capture_output=True)
    (keys / "gitlab-com.jwks.json").write_text("{")
    assert "run/keys/gitlab-com.jwks.json" in refusal(checkout)


def test_a_broken_route_is_told_with_its_file_and_line(checkout: Checkout) -> None:
    routes = checkout.folder / "envoy" / "dynamic" / "routes.yaml"
    routes.write_text(routes.read_text().replace("cluster: sast", "cluster: nowhere"))
    assert re.search(r"envoy/dynamic/routes\.yaml:\d+: .*unknown cluster 'nowhere'", refusal(checkout))


def refusal(checkout: Checkout) -> str:
    process = checkout.up()
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert is_gone(checkout, {})
    return said


def test_an_interrupt_of_make_alone_ends_all_of_it(checkout: Checkout) -> None:
    """GNU make catches it and then waits for its children, which have heard nothing."""
    plain, tls, admin, authz = checkout.door
    recipe = checkout.folder / "recipe"
    ports = f"--port {plain} --tls-port {tls} --admin-port {admin} --authz-port {authz}"
    recipe.write_text(f"up:\n\t@{sys.executable} -m dev.up {ports}\n")
    command = ("make", "-f", str(recipe))
    with subprocess.Popen(command, cwd=checkout.folder, stdout=subprocess.PIPE, text=True) as make:
        try:
            printed_until(make, LAST_LINE)
            running = descendants(make.pid)
            make.send_signal(signal.SIGINT)
            assert eventually(lambda: make.poll() is not None)
        finally:
            make.terminate()
    assert is_gone(checkout, running)


def make_target(folder: Path, *words: str) -> tuple[int, str]:
    """The Makefile's own words; nothing of it may need an environment."""
    shutil.copy(REPOSITORY / "Makefile", folder / "Makefile")
    command = ("make", *words)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.partition("\n")[0]


def test_clean_is_refused_while_the_door_runs(door: Opened) -> None:
    runs = door.process.pid
    told = f"make: the door runs, as process {runs}: stop it first (Ctrl-C there, or kill {runs})"
    assert make_target(door.checkout.folder, "clean") == (2, told)
    assert send(door.requests()[0]).status_code == 200


@pytest.mark.parametrize("lock", ["", "4711\n"], ids=["ended", "killed"])
def test_clean_after_a_run_removes_what_it_left(tmp_path: Path, lock: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "up.lock").write_text(lock)
    assert make_target(tmp_path, "clean") == (0, "")
    assert not (tmp_path / "run").exists()
