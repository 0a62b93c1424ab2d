"""One door for the whole session, its client, and a copy of the files that Envoy reads."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dev.envoy.files import Engine, EnvoyFiles, render
from dev.ratelimit.program import Programs, programs
from tests.support.e2e.chains import write_keys_and_anchors
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.limited import open_gate
from tests.support.e2e.processes import SHIPPED
from tests.support.minting import Minter
from tests.support.shared.gate import BOTH_ENGINES, Opener, SharedGates


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Run real Envoy, service and backends."""
    with open_door(tmp_path_factory.mktemp("door"), write_keys_and_anchors) as opened:
        yield opened


@pytest.fixture(scope="session")
def mint() -> Minter:
    """Make tokens that are valid now."""
    return Minter(now=time.time())


@pytest.fixture(scope="session")
def client(door: Door, mint: Minter) -> HttpClient:
    """A client of the plain listener."""
    return HttpClient(door.plain, mint)


@pytest.fixture(scope="session")
def built() -> Programs:
    """The rate limit service, built where that has not been done; a machine that cannot build it fails the tests."""
    return programs(print)


@pytest.fixture(scope="session")
def gates(door: Door, built: Programs) -> SharedGates:
    """What opens an Envoy with limits of a test's own, and the service and the Redis that count for it."""
    return SharedGates(door, built)


@pytest.fixture(scope="module", params=BOTH_ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Who counts; a test with this fixture runs with either."""
    return Engine(request.param)


@pytest.fixture(scope="module")
def opener(engine: Engine, request: pytest.FixtureRequest) -> Opener:
    """What opens an Envoy with limits of a test's own on that engine, and only then starts what it needs."""
    if engine is Engine.SHARED:
        gates: SharedGates = request.getfixturevalue("gates")
        return gates.open
    return partial(open_gate, request.getfixturevalue("door"))


@pytest.fixture
def files(tmp_path: Path) -> EnvoyFiles:
    """A copy of the shipped files of Envoy."""
    copy = EnvoyFiles(tmp_path / "envoy")
    render(SHIPPED, copy)
    return copy
