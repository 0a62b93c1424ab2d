"""Starts the parts of a development run in order, and checks that they work together."""

import http.client
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dev import certificate
from dev.envoy import files as envoy_files
from dev.envoy import limits as envoy_limits
from dev.envoy import program as envoy_program
from dev.envoy import running as envoy_running
from dev.envoy.admin import Admin, AdminError
from dev.envoy.check import check
from dev.envoy.files import Engine, EnvoyFiles
from dev.process import NotReadyError, ProcessGroup
from dev.up import shared as up_shared
from dev.up.plan import LOOPBACK, NeededPort, PlanError, SampleBackend, check_free, sample_backends
from dev.up.requests import (
    AUTHZ,
    NEEDED_SCOPE,
    OTHER_SCOPE,
    Answer,
    SampleRequest,
    ask_health_over_tls,
    issue_token,
    make_keys,
)
from dev.up.screen import Screen

RUN = Path("run")
KEYS = RUN / "keys"
SOCKETS = RUN / "authz"
ENDPOINTS = SOCKETS / "endpoints.json"
SHIPPED = Path("envoy")
RUNNING = RUN / "envoy"
START_SECONDS = 30.0
DRAIN_SECONDS = 5.0
POLL_SECONDS = 0.05
AUTHZ_ADMIN = 9091
COMMANDS = {Engine.EMBEDDED: "make up", Engine.SHARED: "make up-shared"}


class DoorError(Exception):
    """Everything runs, but the door gives a wrong answer; the message has the answer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a run, and the engine that counts for its limits."""

    plain: int
    tls: int
    admin: int
    authz: int
    offset: int = 0  # added to every other port
    engine: Engine = Engine.EMBEDDED

    @property
    def command(self) -> str:
        """The command that starts this run."""
        return COMMANDS[self.engine]

    def needed(self) -> tuple[NeededPort, ...]:
        """The command with settings for other ports."""
        return (
            NeededPort(self.plain, "the door's plain HTTP", "PORT"),
            NeededPort(self.tls, "the door's TLS", "TLS_PORT"),
            NeededPort(self.admin, "Envoy's admin interface", "ADMIN_PORT"),
            NeededPort(self.authz, "authz's admin interface", "AUTHZ_PORT"),
            *(up_shared.needed(self.offset) if self.engine is Engine.SHARED else ()),
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """A request and its answer."""

    request: SampleRequest
    answer: Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to let in, one to refuse, and the authority behind the TLS certificate."""

    good: SampleRequest
    bad: SampleRequest
    authority: Path


@dataclass(frozen=True, slots=True)
class Proofs:
    """An allowed request, a refused one, and the authority behind the TLS certificate."""

    let_in: Proof
    refused: Proof
    authority: Path


def open_door(processes: ProcessGroup, ports: Ports, screen: Screen) -> Proofs:
    """Start everything, wait until both requests get their expected answers, and return these.

    Raises PlanError, CommandError, ChildEndedError, NotReadyError or DoorError, each with a message for the reader; for
    the shared engine MissingRedisError, BuildError and LimitsRefusedError, too.
    """
    source, running = (EnvoyFiles(folder, ports.engine) for folder in (SHIPPED, RUNNING))
    backends = _planned_backends(source, ports)
    sampled = (NeededPort(port, each.name) for each in backends for port in each.ports())
    check_free((*ports.needed(), *sampled), ports.command, ports.offset)
    counting = up_shared.prepare(source, screen) if ports.engine is Engine.SHARED else None
    with ThreadPoolExecutor() as beside:
        # What takes processor time runs side by side: most of it is a program of its own.
        checked = beside.submit(_check_envoy_files, source)
        _ensure_keys(screen)
        tokens = [beside.submit(issue_token, KEYS, scope) for scope in (NEEDED_SCOPE, OTHER_SCOPE)]
        tls = certificate.ensure(RUN / "tls", datetime.now(UTC))
        screen.step("certificate", f"{tls.chain} for localhost, until {tls.valid_until:%Y-%m-%d}")
        _start_authz(processes, ports)
        _start_backends(processes, backends)
        checked.result()
        _await_backends(processes, backends, screen)
        _await_authz(processes, ports, screen)
        _prepare_envoy(source, running, ports)
        if counting is not None:
            up_shared.start(processes, running, counting, ports.offset, screen)
        _start_envoy(processes, source, running, ports, screen)
        good, bad = (SampleRequest(ports.plain, each.result()) for each in tokens)
    return _prove(processes, ports, Asked(good, bad, tls.authority), screen)


def close_door(ports: Ports) -> None:
    """Accept no new request, and wait some seconds for those in progress, which the end of Envoy would cut."""
    admin = Admin(ports.admin)
    end = time.monotonic() + DRAIN_SECONDS
    try:
        admin.drain()
        while admin.active_requests() and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
    except AdminError:  # it is gone already
        return


def _check_envoy_files(source: EnvoyFiles) -> None:
    """Check Envoy's files before a start: with invalid routes Envoy would start and answer 404 to everything."""
    problems = envoy_limits.render(source) or tuple(map(str, check(source)))
    if problems:
        raise PlanError("Envoy would refuse its configuration\n" + "\n".join(problems))


def _ensure_keys(screen: Screen) -> None:
    made = make_keys(KEYS)
    screen.step("keys", f"{KEYS}, {f'{made} files made' if made else 'as they were'}")


def _planned_backends(source: EnvoyFiles, ports: Ports) -> tuple[SampleBackend, ...]:
    """Return the sample backends of clusters.yaml; none if it is invalid, which Envoy's own checks report."""
    try:
        return sample_backends(source.clusters, ports.offset)
    except PlanError:
        _check_envoy_files(source)
        raise


def _start_backends(processes: ProcessGroup, backends: tuple[SampleBackend, ...]) -> None:
    """All in one process: most of what a backend costs at its start is the import of its libraries."""
    named = (":".join(map(str, (each.name, *each.ports()))) for each in backends)
    samples = (word for each in named for word in ("--sample", each))
    processes.start("backends", (sys.executable, "-m", "dev.backend", *samples))


def _await_backends(processes: ProcessGroup, backends: tuple[SampleBackend, ...], screen: Screen) -> None:
    waiting = [port for each in backends for port in each.ports()]
    processes.wait_until(lambda: all(map(_listens, waiting)), "a sample backend", START_SECONDS)
    screen.step("backends", f"{len(backends)} samples on ports {', '.join(map(str, waiting))}")


def _start_authz(processes: ProcessGroup, ports: Ports) -> None:
    SOCKETS.mkdir(parents=True, exist_ok=True)
    ENDPOINTS.unlink(missing_ok=True)
    listen = f"unix:{SOCKETS}/{{worker}}.sock"
    # A short drain is enough: Envoy has drained by then and asks nothing more.
    addresses = ("--endpoints-file", str(ENDPOINTS), "--admin", f"{LOOPBACK}:{ports.authz}", "--drain", "100ms")
    processes.start("authz", (str(AUTHZ), "serve", "--keys", str(KEYS), "--listen", listen, *addresses))


def _await_authz(processes: ProcessGroup, ports: Ports, screen: Screen) -> None:
    processes.wait_until(ENDPOINTS.is_file, "authz", START_SECONDS)
    screen.step("authz", f"unix:{SOCKETS}/*.sock, http://{LOOPBACK}:{ports.authz}/metrics")


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def _start_envoy(
    processes: ProcessGroup, source: EnvoyFiles, running: EnvoyFiles, ports: Ports, screen: Screen
) -> None:
    processes.start("envoy", envoy_program.command(running.started))
    processes.wait_until(Admin(ports.admin).is_live, "Envoy", START_SECONDS)
    edited = "which reads" if running.routes.parent.is_symlink() else "updated by make apply from"
    screen.step("envoy", f"{running.started}, {edited} {source.routes.parent}/")


def _prepare_envoy(source: EnvoyFiles, running: EnvoyFiles, ports: Ports) -> None:
    """Write a bootstrap for loopback with these ports, and the limits; routes and clusters are those of envoy/.

    Only where the backends have moved they are copies, which `make apply` renews.
    """
    numbers = {envoy_files.PLAIN: ports.plain, envoy_files.TLS: ports.tls, envoy_files.ADMIN: ports.admin}
    shutil.rmtree(running.rendered.parent, ignore_errors=True)
    running.service_folder.mkdir(parents=True, exist_ok=True)
    limits = ((file, running.rendered / file.relative_to(source.rendered)) for file in source.all_limits)
    for file, copy in (*limits, (source.started, running.started), (source.tls, running.tls)):
        envoy_files.replace(copy, envoy_files.rendered(file.read_text("utf-8"), source, running, numbers))
    if ports.engine is Engine.SHARED:
        found = up_shared.looking_here(running.started.read_text("utf-8"), ports.offset)
        envoy_files.replace(running.started, found)
    envoy_running.note(source, running, ports.offset)
    dynamic = running.routes.parent
    if dynamic.is_symlink():
        dynamic.unlink()
    shutil.rmtree(dynamic, ignore_errors=True)
    if not ports.offset:
        dynamic.symlink_to(Path("..", "..", source.routes.parent))
        return
    dynamic.mkdir()
    moved = envoy_running.moved_ports(source, running)
    for file, copy in ((source.clusters, running.clusters), (source.routes, running.routes)):
        envoy_files.replace(copy, envoy_files.rendered(file.read_text("utf-8"), source, running, moved))


def _prove(processes: ProcessGroup, ports: Ports, asked: Asked, screen: Screen) -> Proofs:
    """Repeat the good request until it is allowed (health checks take a moment); check the refused one."""
    good, bad = asked.good, asked.bad
    answers: list[Answer] = []

    def is_let_in() -> bool:
        try:
            answers.append(good.send())
        except (OSError, http.client.HTTPException):
            return False
        return answers[-1].status == http.HTTPStatus.OK

    try:
        processes.wait_until(is_let_in, "the door", START_SECONDS)
    except NotReadyError as timeout:
        seen = f"; it answered {answers[-1].status} {answers[-1].body}" if answers else ""
        raise DoorError(f"{timeout}{seen}") from timeout
    refusal = bad.send()
    if refusal.status != http.HTTPStatus.FORBIDDEN:
        raise DoorError(
            f"the door answered {refusal.status} to a token without the scope {NEEDED_SCOPE}: {refusal.body}"
        )
    if ask_health_over_tls(ports.tls, asked.authority) != http.HTTPStatus.OK:
        raise DoorError(f"port {ports.tls} does not answer GET /-/health over TLS")
    screen.step("door", "let one request in, refused another, answered over TLS")
    return Proofs(Proof(good, answers[-1]), Proof(bad, refusal), asked.authority)
