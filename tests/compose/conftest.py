"""One compose stack for the whole session, and its clients."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.compose.client import Caller, Client, Stranger
from tests.support.compose.door import Door, docker, open_door
from tests.support.compose.versions import versions
from tests.support.minting import Minter
from tests.support.repository import ROOT

FILES: Final = ROOT / "run" / "compose-test"
SEEN: Final = pytest.StashKey[list[str]]()
# Starting builds images, and the first time pulls them.
START_SECONDS: Final = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the stack, any other for containers that come and go."""
    for item in items:
        item.add_marker(pytest.mark.timeout(START_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was tested: images, versions, and what was measured on the way."""
    lines = config.stash.get(SEEN, [])
    if lines:
        terminalreporter.section("what ran")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to the summary."""
    return pytestconfig.stash.setdefault(SEEN, []).append


@pytest.fixture(scope="session")
def door(note: Callable[[str], None]) -> Iterator[Door]:
    """Envoys, authz, the rate limit service, Redis and sample backends in containers."""
    with open_door(FILES) as opened:
        for line in versions(opened):
            note(line)
        yield opened


@pytest.fixture(scope="session")
def mint() -> Minter:
    """Tokens that are valid now."""
    return Minter(now=time.time())


@pytest.fixture(scope="session")
def client(door: Door, mint: Minter) -> Client:
    """This machine, at the first Envoy."""
    return Client(door.ports()[0], door.authority, mint)


@pytest.fixture
def caller() -> Caller:
    """An instance that nobody has heard of, without paid seats."""
    return Caller(str(uuid.uuid4()), user=f"user-{uuid.uuid4()}")


@pytest.fixture
def customer() -> Caller:
    """An instance with many seats: no limit of these tests is near."""
    return Caller(str(uuid.uuid4()), user=f"user-{uuid.uuid4()}", seats=5000)


@dataclass(slots=True)
class Strangers:
    """Containers that stay until the session ends, so that no address is ever given twice."""

    door: Door
    client: Client
    containers: list[str] = field(default_factory=list)

    def another(self) -> Stranger:
        """Somebody with an address that has not asked yet."""
        image = self.door.container("ai-gateway").image
        line = ["run", "--detach", "--rm", "--init", "--network", f"{self.door.stack.project}_door"]
        forever = ["--entrypoint", "python3", image, "-c", "import signal; signal.pause()"]
        self.containers.append(docker(*line, *forever).strip())
        return Stranger(self.containers[-1], self.client)

    def send_home(self) -> None:
        """End all of them."""
        if self.containers:
            docker("rm", "--force", *self.containers)


@pytest.fixture(scope="session")
def strangers(door: Door, client: Client) -> Iterator[Strangers]:
    """Clients with addresses of their own."""
    known = Strangers(door, client)
    yield known
    known.send_home()
