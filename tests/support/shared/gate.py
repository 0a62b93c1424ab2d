"""Envoys that hold to limits of a test's own, with the rate limit service that counts for them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import pytest

from dev.envoy.files import Engine, EnvoyFiles
from dev.ratelimit.program import Programs
from dev.up import shared as up_shared
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.limited import Gate, with_limits
from tests.support.e2e.processes import Edits, Envoy, edit
from tests.support.minting import Minter
from tests.support.shared.counting import Counting, counting, free_ports

SERVICE: Final = f"port_value: {up_shared.GRPC}"
# A busy machine that makes the service late is no outage, and must not cost a test a count.
PATIENT: Final = (("timeout: 50ms", "timeout: 1s"),)
PATIENT_HEALTH: Final = (("- timeout: 0.25s", "- timeout: 2s"),)
BOTH_ENGINES: Final = (
    pytest.param(Engine.EMBEDDED, id="embedded"),
    pytest.param(Engine.SHARED, id="shared", marks=pytest.mark.shared),
)
EMBEDDED_ONLY: Final = pytest.mark.parametrize("engine", BOTH_ENGINES[:1], indirect=True)
SHARED_ONLY: Final = pytest.mark.parametrize("engine", BOTH_ENGINES[1:], indirect=True)


class Opener(Protocol):
    """Opens an Envoy with limits; `changes` are texts of the limits to replace, `edits` texts of the bootstrap."""

    def __call__(
        self, name: str, limits: str, changes: Sequence[tuple[str, str]] = (), edits: Edits = ()
    ) -> AbstractContextManager[Gate]:
        """Start it for as long as the block runs."""


@dataclass(frozen=True, slots=True)
class SharedGate(Gate):
    """An Envoy that asks the service; `ports` has the service's, too."""

    counting: Counting

    def wait_until_counted(self) -> None:
        """Return when Envoy knows that the service answers."""
        self.door.wait_until(lambda: self.envoy.healthy("ratelimit") == 1, "the rate limit service, as Envoy sees it")

    @contextmanager
    def another(self, name: str, edits: Edits = (), files: EnvoyFiles | None = None) -> "Iterator[SharedGate]":
        """Another Envoy before the same service, with texts of its bootstrap replaced."""
        moved = (SERVICE, f"port_value: {self.ports[up_shared.GRPC]}")
        with self.door.another_envoy(name, (moved, *edits), files or self.files) as envoy:
            second = replace(self, envoy=envoy, client=_client(envoy))
            second.wait_until_counted()
            yield second


@dataclass(frozen=True, slots=True)
class SharedGates:
    """Opens them."""

    door: Door
    built: Programs

    @contextmanager
    def open(
        self, name: str, limits: str, changes: Sequence[tuple[str, str]] = (), edits: Edits = ()
    ) -> Iterator[SharedGate]:
        """Start everything; `changes` are texts of the limits to replace, `edits` texts of the bootstrap."""
        files = patient(with_limits(self.door.folder / f"source-{name}", limits, (*PATIENT, *changes)))
        own = dict(zip(up_shared.PORTS, free_ports(len(up_shared.PORTS)), strict=True))
        ports = {**self.door.ports, **own}
        moved = (SERVICE, f"port_value: {own[up_shared.GRPC]}")
        with ExitStack() as stack:
            envoy = stack.enter_context(self.door.another_envoy(name, (moved, *edits), files))
            # It reads what this Envoy has copied, where `apply` moves edited limits.
            both = counting(envoy.files, self.built, tuple(own.values()), self.door.folder / "logs")
            gate = SharedGate(self.door, envoy, files, ports, _client(envoy), stack.enter_context(both))
            gate.wait_until_counted()
            yield gate


def patient(rendered: EnvoyFiles) -> EnvoyFiles:
    """The shared half of what was rendered, with health checks that do not mind a busy machine either."""
    files = replace(rendered, engine=Engine.SHARED)
    edit(files.started, PATIENT_HEALTH)
    return files


def _client(envoy: Envoy) -> HttpClient:
    return HttpClient(envoy.plain, Minter(now=time.time()))
