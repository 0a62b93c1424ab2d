"""Runs the whole door on free ports in a temporary folder: real Envoy, real service, real sample backends."""

import http
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dev import certificate
from dev.envoy.apply import apply
from dev.envoy.files import EnvoyFiles, render
from dev.process import Child, ProcessGroup
from tests.support.e2e.limited import WIDE, with_limits
from tests.support.e2e.processes import SECONDS, Edits, Envoy, LogLine, Service, edit, get, start_envoy
from tests.support.e2e.raw_http import Reply
from tests.support.repository import ROOT

LOG_SECONDS: Final = 10.0
PUBLIC: Final = "/ai/monitoring/healthz"
CLOSED: Final = 1  # nothing listens on this port: one endpoint of most backends is always dead
CLUSTERS: Final = ("authz", "ai_gateway", "duo_workflow_service", "duo_workflow_service_grpc", "observability", "sast")
# Sample backend -> its shipped ports: HTTP and, if it has it, gRPC.
BACKENDS: Final = {
    "ai_gateway-1": (8101,),
    "ai_gateway-2": (8102,),
    "duo_workflow_service-1": (8111, 8113),
    "observability-1": (8121,),
    "sast-1": (8131,),
}
DEAD: Final = (8112, 8114, 8122, 8132)


@dataclass(frozen=True, slots=True)
class Door:
    """A running door. `source` are its files with the shipped ports; `ports` maps these to the real ones."""

    folder: Path
    source: EnvoyFiles
    processes: ProcessGroup
    backends: Mapping[str, int]
    ports: Mapping[int, int]
    envoy: Envoy
    authz: Service

    @property
    def plain(self) -> int:
        """The port without TLS."""
        return self.envoy.plain

    def requests_seen(self) -> int:
        """Return how many requests have reached any backend so far."""
        return sum(int(json.loads(get(port, "/health").body)["requests"]) for port in self.backends.values())

    @contextmanager
    def no_request_at_backends(self) -> Iterator[None]:
        """Fail if a request inside the block reaches a backend."""
        before = self.requests_seen()
        yield
        assert self.requests_seen() == before, "a backend has seen a request that should have been refused"

    def log_line(self, request_id: str) -> LogLine:
        """Return the access log's line of a request id that is used once."""
        return self._logged(lambda line: line["request_id"] == request_id)

    def log_line_of(self, reply: Reply) -> LogLine:
        """Return the access log's line of a request that may have been refused before its id was read."""
        return self._logged(lambda line: line["peer"] == reply.peer and line["time"] >= reply.started)

    def _logged(self, matches: Callable[[LogLine], bool]) -> LogLine:
        found: list[LogLine] = []

        def is_there() -> bool:
            found.extend(line for line in self.envoy.log_lines() if matches(line))
            return bool(found)

        self.wait_until(is_there, "a line in the access log", LOG_SECONDS)
        return found[-1]

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait for a condition; fail if Envoy or a backend ends meanwhile."""
        self.processes.wait_until(ready, what, seconds)

    def wait_for_authz(self) -> None:
        """Wait until requests are allowed: the service is up and Envoy has noticed."""
        self.wait_until(lambda: get(self.plain, PUBLIC).status == http.HTTPStatus.OK, "authz, as Envoy sees it")

    @contextmanager
    def edited(
        self, routes: Sequence[tuple[str, str]] = (), clusters: Sequence[tuple[str, str]] = ()
    ) -> Iterator[None]:
        """Apply the source with replaced texts to the running Envoy while the block runs."""
        changed = EnvoyFiles(self.folder / "edit" / "envoy")
        render(self.source, changed)
        edit(changed.routes, routes)
        edit(changed.clusters, clusters)
        list(apply(changed, self.envoy.files, self.ports))
        try:
            yield
        finally:
            list(apply(self.source, self.envoy.files, self.ports))

    @contextmanager
    def another_envoy(self, name: str, edits: Edits, source: EnvoyFiles | None = None) -> Iterator[Envoy]:
        """Run a second Envoy with the same service and backends, with texts of its bootstrap replaced."""
        with ProcessGroup(self.folder / "logs") as processes:
            second = start_envoy(processes, self.folder, name, source or self.source, self.ports, edits)
            processes.wait_until(lambda: all(map(second.healthy, CLUSTERS)), "a backend, as Envoy sees it", SECONDS)
            yield second


@contextmanager
def open_door(
    folder: Path, write_keys: Callable[[Path], object], serve: Callable[[Path], Service] = Service
) -> Iterator[Door]:
    """Start everything, wait until it is healthy, and end it after the block; `serve` makes the service."""
    (folder / "run" / "authz").mkdir(parents=True)
    write_keys(folder / "run" / "keys")
    certificate.ensure(folder / "run" / "tls", datetime.now(UTC))
    authz = serve(folder)
    source = with_limits(folder / "source", WIDE)
    with ProcessGroup(folder / "logs") as processes:
        children = {
            name: processes.start(name, _backend(name, shipped), {"PYTHONPATH": str(ROOT)})
            for name, shipped in BACKENDS.items()
        }
        authz.start()
        try:
            listening = {name: _ports(processes, child) for name, child in children.items()}
            mapped = {
                own: at for name, shipped in BACKENDS.items() for own, at in zip(shipped, listening[name], strict=True)
            }
            ports = {**mapped, **dict.fromkeys(DEAD, CLOSED)}
            processes.wait_until(authz.is_up, "authz", SECONDS)
            envoy = start_envoy(processes, folder, "envoy", source, ports)
            processes.wait_until(lambda: all(map(envoy.healthy, CLUSTERS)), "a backend, as Envoy sees it", SECONDS)
            yield Door(
                folder, source, processes, {name: own[0] for name, own in listening.items()}, ports, envoy, authz
            )
        finally:
            authz.stop()


def _backend(name: str, shipped: tuple[int, ...]) -> list[str]:
    speaks_grpc = ["--grpc-port", "0"] if len(shipped) > 1 else []
    return [sys.executable, "-m", "dev.backend", "--name", name, "--port", "0", *speaks_grpc]


def _ports(processes: ProcessGroup, child: Child) -> tuple[int, ...]:
    """Read the ports on which a backend listens from its log."""

    def found() -> list[str]:
        return re.findall(rf"^{child.name} listens on http (\d+)(?: grpc (\d+))?$", child.log.read_text(), re.MULTILINE)

    processes.wait_until(lambda: bool(found()), child.name, SECONDS)
    return tuple(int(port) for port in found()[0] if port)
