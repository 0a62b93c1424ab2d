"""Limits of a test's own: rendered as the platform team renders them, and an Envoy that enforces them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev.envoy.files import EnvoyFiles
from tests.support.e2e.customer import Customer
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import SHIPPED, Edits, Envoy, LogLine
from tests.support.minting import Minter
from tests.support.repository import ROOT, TESTS

if TYPE_CHECKING:
    from tests.support.e2e.door import Door  # which reads the limits from here

LOG_SECONDS: Final = 10.0

WIDE: Final = (TESTS / "e2e" / "limits.yaml").read_text("utf-8")
"""Limits that no test reaches by itself."""


def with_limits(folder: Path, limits: str, edits: Sequence[tuple[str, str]] = ()) -> EnvoyFiles:
    """Copy what is shipped into a folder, and render other limits there, with texts of them replaced."""
    shutil.copytree(SHIPPED.folder, folder / SHIPPED.folder.name)
    return render_limits(folder, limits, edits)


def render_limits(folder: Path, limits: str, edits: Sequence[tuple[str, str]] = ()) -> EnvoyFiles:
    """Render again where `with_limits` has been."""
    files = EnvoyFiles(folder / SHIPPED.folder.name)
    for old, new in edits:
        assert old in limits, f"the limits no longer hold: {old}"
        limits = limits.replace(old, new)
    (files.folder / "limits.yaml").write_text(limits, "utf-8")
    command = [sys.executable, "-m", "authz", "limits", "render"]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return files


@dataclass(frozen=True, slots=True)
class Gate:
    """A second Envoy before the door's backends, with limits of its own; `ports` says where each shipped port is."""

    door: Door
    envoy: Envoy
    files: EnvoyFiles
    ports: Mapping[int, int]
    client: HttpClient

    def customer(self, tier: str = "any", issuer: str = "customers-dot") -> Customer:
        """A customer whom no limit has seen before."""
        return Customer(self.client, tier, issuer)

    def namespace(self) -> Customer:
        """A user of a root namespace of gitlab.com whom no limit has seen before."""
        return self.customer(issuer="gitlab-com").neighbour()

    def log_line(self, request_id: str) -> LogLine:
        """The access log's line for a request id that is used once."""
        found: list[LogLine] = []

        def is_there() -> bool:
            found.extend(line for line in self.envoy.log_lines() if line["request_id"] == request_id)
            return bool(found)

        self.door.wait_until(is_there, "a line in the access log", LOG_SECONDS)
        return found[-1]

    def counted(self, name: str) -> int:
        """A counter of one filter of limits."""
        return sum(self.envoy.admin.counters(rf"{name}$").values())


@contextmanager
def open_gate(
    door: Door, name: str, limits: str, changes: Sequence[tuple[str, str]] = (), edits: Edits = ()
) -> Iterator[Gate]:
    """Start it; `changes` are texts of the limits to replace, `edits` texts of the bootstrap."""
    source = with_limits(door.folder / f"source-{name}", limits, changes)
    with door.another_envoy(name, edits, source) as envoy:
        yield Gate(door, envoy, source, door.ports, HttpClient(envoy.plain, Minter(now=time.time())))
