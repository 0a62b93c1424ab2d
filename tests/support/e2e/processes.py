"""Starts Envoy and authz as processes, in the folder where the paths of all files start."""

import http.client
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dev.envoy.admin import Admin, AdminError
from dev.envoy.files import ADMIN, PLAIN, TLS, EnvoyFiles, render
from dev.envoy.program import command
from dev.process import Child, ProcessGroup
from tests.support.integration.service import matching, read_events
from tests.support.repository import ROOT

SHIPPED: Final = EnvoyFiles(ROOT / "envoy")
SECONDS: Final = 30.0
ENDPOINTS: Final = Path("run/authz/endpoints.json")
FLUSH_MS: Final = 20

LogLine = dict[str, Any]  # Any: JSON of the access log
Edits = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy: its files, its ports and its log."""

    files: EnvoyFiles
    child: Child
    admin: Admin
    plain: int
    tls: int

    def healthy(self, cluster: str) -> int:
        """Return how many endpoints of a cluster may get requests; 0 if Envoy does not answer."""
        try:
            return self.admin.healthy_endpoints().get(cluster, 0)
        except AdminError:
            return 0

    def log_lines(self) -> Iterator[LogLine]:
        """Yield the lines of the access log so far."""
        for line in self.child.log.read_text("utf-8").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)


def start_envoy(
    processes: ProcessGroup, folder: Path, name: str, source: EnvoyFiles, ports: Mapping[int, int], edits: Edits = ()
) -> Envoy:
    """Start Envoy on free ports, with texts of its bootstrap replaced."""
    files = EnvoyFiles(folder / name, source.engine)
    render(source, files, {**ports, PLAIN: 0, TLS: 0, ADMIN: 0})
    edit(files.started, edits)
    address = folder / "run" / f"{name}-admin"
    serve = [*command(files.started, access_log_flush_ms=FLUSH_MS), "--admin-address-path", str(address)]
    child = processes.start(name, run_in(folder, serve))
    processes.wait_until(lambda: address.is_file() and ":" in address.read_text(), "Envoy's admin interface", SECONDS)
    admin = Admin(int(address.read_text().rpartition(":")[2]))
    processes.wait_until(admin.is_live, "Envoy", SECONDS)
    # `apply` reads the admin port from the bootstrap, which has port 0 here.
    bootstrap = files.started.read_text("utf-8")
    files.started.write_text(re.sub(r"(?<=port_value: )0\b", str(admin.port), bootstrap, count=1), "utf-8")
    found = json.loads(get(admin.port, "/listeners?format=json").body)["listener_statuses"]
    listening = {each["name"]: int(each["local_address"]["socket_address"]["port_value"]) for each in found}
    return Envoy(files, child, admin, listening["plain"], listening["tls"])


@dataclass(slots=True)
class Service:
    """authz on its Unix socket; it can be killed and started again, also with another policy than the shipped one."""

    folder: Path
    policy: Path | None = None
    workers: int = 1
    flags: tuple[str, ...] = ()
    _processes: ProcessGroup = field(init=False)
    _child: Child = field(init=False)
    _events: list[LogLine] = field(init=False)
    _read: int = field(init=False)

    def start(self) -> None:
        """Start it and return at once."""
        policy = [] if self.policy is None else ["--policy", str(self.policy)]
        listen = ["--listen", "unix:run/authz/{worker}.sock", "--workers", str(self.workers)]
        addresses = ["--endpoints-file", str(ENDPOINTS), "--admin", "127.0.0.1:0", "--drain", "100ms"]
        serve = ["-m", "authz", "serve", *policy, "--keys", "run/keys", *listen, *addresses, *self.flags]
        self._events, self._read = [], 0
        self._processes = ProcessGroup(self.folder / "logs").__enter__()
        self._child = self._processes.start("authz", run_in(self.folder, [sys.executable, *serve]))

    def is_up(self) -> bool:
        """Whether Envoy may start: the list of the workers that serve exists."""
        return (self.folder / ENDPOINTS).is_file()

    def decisions(self) -> dict[str, LogLine]:
        """Return the last decision on each request id so far."""
        lines = self._child.log.read_bytes().rpartition(b"\n")[0].splitlines()
        found = [json.loads(line) for line in lines if b'"event":"decision"' in line]
        return {line["request_id"]: line for line in found if "request_id" in line}

    def events(self, event: str | None = None, after: int = 0, **fields: object) -> list[LogLine]:
        """Return its log events of that name with those fields, without the first `after` ones."""
        with self._child.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new.rpartition(b"\n")[0]
        self._read += len(whole) + bool(whole)
        self._events += read_events(whole.decode())
        return matching(self._events[after:], event, **fields)

    def worker(self, number: int) -> int:
        """Return the process id of worker `number`."""
        return int(self.events("worker_started", worker=number)[-1]["pid"])

    def pids(self) -> list[int]:
        """Return the process ids of its workers, by number."""
        return [self.worker(number) for number in range(self.workers)]

    def supervisor(self) -> int:
        """Return the process id of the supervisor."""
        return self._child.process.pid

    def admin(self, path: str) -> str:
        """Return a page of its admin port."""
        (line,) = self.events("admin_listening")
        return get(int(line["address"].rpartition(":")[2]), path).body.decode()

    def counted(self, sample: str) -> int:
        """Return the sum of the metrics whose name and labels match a regular expression."""
        return sum(int(float(value)) for value in re.findall(rf"(?m)^{sample} (\S+)$", self.admin("/metrics")))

    def kill(self) -> None:
        """Kill supervisor and workers with SIGKILL."""
        pids = [*self._workers(), self._child.process.pid]
        for pid in reversed(pids):
            os.kill(pid, signal.SIGKILL)
        self._child.process.wait()

    def _workers(self) -> list[int]:
        supervisor = self._child.process.pid
        return [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]

    def stop(self) -> None:
        """End it."""
        self._processes.stop()


@dataclass(frozen=True, slots=True)
class Got:
    """Status and body of an answer."""

    status: int
    body: bytes


def get(port: int, path: str) -> Got:
    """Send one GET to a port on loopback."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return Got(answer.status, answer.read())


def edit(file: Path, changes: Sequence[tuple[str, str]]) -> None:
    """Replace texts in a file in place; each must be in it."""
    text = file.read_text("utf-8")
    for old, new in changes:
        assert old in text, f"{file.name} has changed and no longer holds: {old}"
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


def run_in(folder: Path, program: Sequence[str]) -> list[str]:
    """Return the command that runs a program in a folder."""
    return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(folder), *program]
