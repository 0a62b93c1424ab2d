"""A policy with a tier that the limits do not know: its callers get the default tier's limits, never none."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.test_limits_numbers import LIMITS
from tests.support.e2e.customer import SCAN, WORKFLOWS, Customer
from tests.support.e2e.door import Door
from tests.support.e2e.processes import edit
from tests.support.repository import ROOT
from tests.support.shared.gate import SharedGate, SharedGates

pytestmark = pytest.mark.shared

LARGE: Final = "  - {name: large, min_seats: 1000}"
HUGE_SEATS: Final = 5000


@dataclass(frozen=True, slots=True)
class Huge(Customer):
    """Of the tier that only authz knows."""

    @property
    def claims(self) -> dict[str, object]:
        """With as many seats."""
        return {
            "sub": self.instance,
            "gitlab_instance_id": self.instance,
            "duo_seat_count": str(HUGE_SEATS),
        }


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    """An Envoy, while authz has that policy."""
    door = gates.door
    policy = door.folder / "policy"
    shutil.copytree(ROOT / "authz" / "data", policy)
    edit(policy / "tiers.yml", [(LARGE, f"{LARGE}\n  - {{name: huge, min_seats: {HUGE_SEATS}}}")])
    restart(door, policy)
    try:
        with gates.open("shared-tiers", LIMITS) as opened:
            yield opened
    finally:
        restart(door, None)


def restart(door: Door, policy: Path | None) -> None:
    door.authz.stop()
    door.authz.policy = policy
    door.authz.start()
    door.wait_for_authz()


def test_it_draws_from_the_default_tiers_buckets(gate: SharedGate) -> None:
    one = Huge(gate.client)
    assert one.until_refused(SCAN) == (3, "user")
    line = gate.log_line(one.ask(SCAN).request_id)
    assert (line["tier"], line["limit"]) == ("huge", "user")
    assert Customer(gate.client, "any", instance=one.instance, user=one.user).until_refused(SCAN) == (0, "user")


def test_it_has_no_share_of_its_own(gate: SharedGate) -> None:
    """10 for the default tier, and for all that draw from it."""
    assert [Huge(gate.client).until_refused(WORKFLOWS) for _ in range(2)] == [(4, "instance")] * 2
    assert gate.customer("any").until_refused(WORKFLOWS) == (2, "tier")
    assert Huge(gate.client).until_refused(WORKFLOWS) == (0, "tier")
