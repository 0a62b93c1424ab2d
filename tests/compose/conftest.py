"""One compose stack for the whole session, and its clients."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.compose.client import Caller, Client, ContainerClient
from tests.support.compose.door import Door, docker, open_door
from tests.support.compose.versions import versions
from tests.support.minting import Minter
from tests.support.repository import ROOT

FILES: Final = ROOT / "run" / "compose-test"
SEEN: Final = pytest.StashKey[list[str]]()
# The start builds images, and pulls them the first time.
START_SECONDS: Final = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow each test the time of a start, because it may wait for the stack or for containers."""
    for item in items:
        item.add_marker(pytest.mark.timeout(START_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was tested: images, versions and measurements."""
    lines = config.stash.get(SEEN, [])
    if lines:
        terminalreporter.section("what ran")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Return a function that adds a line to the summary."""
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
    """Make tokens that are valid now."""
    return Minter(now=time.time())


@pytest.fixture(scope="session")
def client(door: Door, mint: Minter) -> Client:
    """A client on this machine, for the first Envoy."""
    return Client(door.ports()[0], door.authority, mint)


@pytest.fixture
def caller() -> Caller:
    """A new instance without paid seats."""
    return Caller(str(uuid.uuid4()), user=f"user-{uuid.uuid4()}")


@pytest.fixture
def customer() -> Caller:
    """An instance with many seats, which no limit of these tests affects."""
    return Caller(str(uuid.uuid4()), user=f"user-{uuid.uuid4()}", seats=5000)


@dataclass(slots=True)
class ContainerClients:
    """Runs clients in containers until the session ends, so that no address is used twice."""

    door: Door
    client: Client
    containers: list[str] = field(default_factory=list)

    def another(self) -> ContainerClient:
        """Return a client with a new address."""
        image = self.door.container("ai-gateway").image
        line = ["run", "--detach", "--rm", "--init", "--network", f"{self.door.stack.project}_door"]
        forever = ["--entrypoint", "python3", image, "-c", "import signal; signal.pause()"]
        self.containers.append(docker(*line, *forever).strip())
        return ContainerClient(self.containers[-1], self.client)

    def stop(self) -> None:
        """Remove the containers."""
        if self.containers:
            docker("rm", "--force", *self.containers)


@pytest.fixture(scope="session")
def other_clients(door: Door, client: Client) -> Iterator[ContainerClients]:
    """Clients with other addresses than this machine."""
    clients = ContainerClients(door, client)
    yield clients
    clients.stop()
