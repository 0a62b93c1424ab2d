"""The whole door on free ports in a folder of its own: real Envoy, real service, real sample backends."""

from __future__ import annotations

import http.client
import json
import re
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dev import certificate
from dev.envoy_admin import Admin, AdminError
from dev.envoy_apply import apply
from dev.envoy_files import ADMIN, PLAIN, TLS, EnvoyFiles, render
from dev.envoy_program import command
from dev.process import Child, Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = EnvoyFiles(ROOT / "envoy")
SECONDS: Final = 30.0
LOG_SECONDS: Final = 10.0
PUBLIC: Final = "/ai/monitoring/healthz"
CLOSED: Final = 1  # a port on which nothing ever listens: one endpoint of most backends is always dead
# Sample backend -> the shipped ports that lead to it: HTTP, and gRPC where it speaks it.
BACKENDS: Final = {
    "ai_gateway-1": (8101,),
    "ai_gateway-2": (8102,),
    "duo_workflow-1": (8111, 8113),
    "observability-1": (8121,),
    "sast-1": (8131,),
}
DEAD: Final = (8112, 8114, 8122, 8132)

LogLine = dict[str, Any]  # Any: JSON of the access log


@dataclass(slots=True)
class Door:
    """A running door; `plain`, `tls` and `admin` are its ports."""

    folder: Path
    family: Family
    backends: Mapping[str, int]
    ports: dict[int, int]
    envoy: Child | None = None
    authz: Child | None = None
    _authz_family: Family | None = None
    plain: int = 0
    tls: int = 0
    admin: Admin = field(default_factory=lambda: Admin(0))

    @property
    def files(self) -> EnvoyFiles:
        """What the running Envoy reads."""
        return EnvoyFiles(self.folder / "envoy")

    # ------------------------------------------------------------------------------------------- what happened

    def requests_seen(self) -> int:
        """How many requests have reached any backend so far."""
        return sum(_seen(port) for port in self.backends.values())

    @contextmanager
    def nothing_let_through(self) -> Iterator[None]:
        """Fail where a request that is made inside the block reaches a backend."""
        before = self.requests_seen()
        yield
        assert self.requests_seen() == before, "a backend has seen a request that should have been refused"

    def log_line(self, key: str, value: str) -> LogLine:
        """The access log's line with that value; `peer` is the client's address, `request_id` the id."""
        found: list[LogLine] = []

        def is_there() -> bool:
            found.extend(line for line in self._log_lines() if line.get(key) == value)
            return bool(found)

        self.wait_until(is_there, f"a line with {key} {value} in the access log", LOG_SECONDS)
        return found[-1]

    def _log_lines(self) -> Iterator[LogLine]:
        assert self.envoy is not None
        for line in self.envoy.log.read_text("utf-8").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Ask until it is so; children that end meanwhile are told."""
        self.family.wait_until(ready, what, seconds)

    # --------------------------------------------------------------------------------------------- what changes

    @contextmanager
    def edited(
        self, routes: Sequence[tuple[str, str]] = (), clusters: Sequence[tuple[str, str]] = ()
    ) -> Iterator[None]:
        """Texts replaced in the shipped files, applied to the running Envoy while the block runs."""
        edit = EnvoyFiles(self.folder / "edit" / "envoy")
        render(SHIPPED, edit)
        for file, changes in ((edit.routes, routes), (edit.clusters, clusters)):
            text = file.read_text("utf-8")
            for old, new in changes:
                assert old in text, f"{file.name} has changed and no longer holds: {old}"
                text = text.replace(old, new)
            file.write_text(text, "utf-8")
        list(apply(edit, self.files, self.ports))
        try:
            yield
        finally:
            list(apply(SHIPPED, self.files, self.ports))

    def start_authz(self) -> None:
        """Start the service and wait until Envoy sends it checks."""
        self._authz_family = Family(self.folder / "logs").__enter__()
        (self.folder / "run" / "authz" / "0.sock").unlink(missing_ok=True)
        listen = "unix:run/authz/{worker}.sock"
        serve = [sys.executable, "-m", "authz", "serve", "--keys", "run/keys", "--listen", listen]
        self.authz = self._authz_family.start("authz", self._here(serve))

    def wait_for_authz(self) -> None:
        """Return when the door lets requests in: the service is up and Envoy has noticed."""
        self.wait_until(lambda: _status(self.plain, PUBLIC) == http.HTTPStatus.OK, "authz, as Envoy sees it")

    def stop_authz(self) -> None:
        """End the service's processes."""
        if self._authz_family is not None:
            self._authz_family.stop()

    def _healthy(self, cluster: str) -> int:
        try:
            return self.admin.healthy_endpoints().get(cluster, 0)
        except AdminError:
            return 0

    # ----------------------------------------------------------------------------------------------- the start

    def start_envoy(self) -> None:
        """Start Envoy on ports that the system picks, and wait until every backend and the service are healthy."""
        render(SHIPPED, self.files, {**self.ports, PLAIN: 0, TLS: 0, ADMIN: 0})
        address = self.folder / "run" / "admin-address"
        serve = [*command(self.files.bootstrap, access_log_flush_ms=20), "--admin-address-path", str(address)]
        self.envoy = self.family.start("envoy", self._here(serve))
        self.wait_until(lambda: address.is_file() and ":" in address.read_text(), "Envoy's admin interface")
        self.admin = Admin(int(address.read_text().rpartition(":")[2]))
        self.wait_until(self.admin.is_live, "Envoy")
        listeners = _listeners(self.admin.port)
        self.plain, self.tls = listeners["plain"], listeners["tls"]
        self.files.bootstrap.write_text(  # so that `apply` finds the admin interface, as it does after `make up`
            re.sub(r"(?<=port_value: )0\b", str(self.admin.port), self.files.bootstrap.read_text(), count=1)
        )
        clusters = ("authz", "ai_gateway", "duo_workflow", "duo_workflow_grpc", "observability", "sast")
        self.wait_until(lambda: all(self._healthy(each) for each in clusters), "a backend, as Envoy sees it")

    def _here(self, program: Sequence[str]) -> list[str]:
        """The command that runs a program in the door's folder, where the paths of every file start."""
        return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *program]


@contextmanager
def open_door(folder: Path, write_keys: Callable[[Path], object]) -> Iterator[Door]:
    """Everything up and healthy inside the block, nothing left of it afterwards."""
    (folder / "run" / "authz").mkdir(parents=True)
    write_keys(folder / "run" / "keys")
    certificate.ensure(folder / "run" / "tls", datetime.now(UTC))
    with Family(folder / "logs") as family:
        children = {
            name: family.start(name, _backend(name, shipped), {"PYTHONPATH": str(ROOT)})
            for name, shipped in BACKENDS.items()
        }
        door = Door(folder, family, {}, {})
        door.start_authz()
        try:
            listening = {name: _ports(family, child) for name, child in children.items()}
            door.backends = {name: ports[0] for name, ports in listening.items()}
            mapped = {
                own: at for name, shipped in BACKENDS.items() for own, at in zip(shipped, listening[name], strict=True)
            }
            door.ports = {**mapped, **dict.fromkeys(DEAD, CLOSED)}
            door.start_envoy()
            yield door
        finally:
            door.stop_authz()


def _backend(name: str, shipped: tuple[int, ...]) -> list[str]:
    speaks_grpc = ["--grpc-port", "0"] if len(shipped) > 1 else []
    return [sys.executable, "-m", "dev.backend", "--name", name, "--port", "0", *speaks_grpc]


def _ports(family: Family, child: Child) -> tuple[int, ...]:
    """The ports that a backend says it listens on."""

    def said() -> list[str]:
        return re.findall(rf"^{child.name} listens on http (\d+)(?: grpc (\d+))?$", child.log.read_text(), re.MULTILINE)

    family.wait_until(lambda: bool(said()), child.name, SECONDS)
    return tuple(int(port) for port in said()[0] if port)


def _seen(port: int) -> int:
    return int(json.loads(_get(port, "/health"))["requests"])


def _listeners(admin: int) -> dict[str, int]:
    found = json.loads(_get(admin, "/listeners?format=json"))["listener_statuses"]
    return {each["name"]: int(each["local_address"]["socket_address"]["port_value"]) for each in found}


def _get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def _status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
