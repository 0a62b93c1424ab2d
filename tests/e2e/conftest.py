"""One door for the whole session, its client, and a copy of the files that Envoy reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.envoy.files import EnvoyFiles, render
from tests.support.e2e.chains import write_keys_and_anchors
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import SHIPPED
from tests.support.minting import Minter


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


@pytest.fixture
def files(tmp_path: Path) -> EnvoyFiles:
    """A copy of the shipped files of Envoy."""
    copy = EnvoyFiles(tmp_path / "envoy")
    render(SHIPPED, copy)
    return copy
