"""The door of the end-to-end tests, and what counts for its limits here: the real service and a real Redis."""

from __future__ import annotations

import pytest

from dev.ratelimit.program import Programs, programs
from tests.support.e2e.door import Door
from tests.support.shared.gate import SharedGates


@pytest.fixture(scope="session")
def built() -> Programs:
    """The rate limit service, built where that has not been done; a machine that cannot build it fails the tests."""
    return programs(print)


@pytest.fixture(scope="session")
def gates(door: Door, built: Programs) -> SharedGates:
    """What opens an Envoy that holds to limits of a test's own, and asks the service about them."""
    return SharedGates(door, built)
