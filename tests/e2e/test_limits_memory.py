"""Envoy keeps buckets for so many callers: a caller that invents users makes it forget users, and nothing else."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.e2e.customer import SCAN, TRACES
from tests.support.e2e.door import Door
from tests.support.e2e.limited import Gate, open_gate

CALLERS: Final = 5
INVENTED: Final = 10 * CALLERS
LIMITS: Final = f"""\
backend_services:
  sast: {{capacity: 700/day, tiers: {{any: {{share: 10%, instance: 56/day, user: 10/day}}}}}}
  observability: {{capacity: 4000/day, tiers: {{any: {{share: 10%, instance: 100/day, user: 100/day}}}}}}
  ai_gateway: {{capacity: 4000/day, tiers: {{any: {{share: 10%, instance: 100/day, user: 100/day}}}}}}
  duo_workflow_service: {{capacity: 4000/day, tiers: {{any: {{share: 10%, instance: 100/day, user: 100/day}}}}}}
addresses: {{attempts: 100000/day, failed_authentications: 100000/day, refusals: 100000/day}}
embedded: {{expected_callers: {{addresses: {CALLERS}, users: {CALLERS}, instances: {CALLERS}}}}}
shared: {{service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}}
"""


@pytest.fixture(scope="module")
def gate(door: Door) -> Iterator[Gate]:
    with open_gate(door, "memory", LIMITS) as opened:
        yield opened


def test_invented_users_push_neither_instances_nor_tiers_out(gate: Gate) -> None:
    honest, inventor = gate.customer(), gate.customer()
    assert honest.until_refused(SCAN) == (10, "user")
    assert {inventor.colleague().ask(SCAN).status for _ in range(INVENTED)} == {200}
    # Nobody has forgotten: 10 and 50 of the tier's 70 are gone, and 50 of the inventor's own 56.
    assert inventor.colleague().until_refused(SCAN) == (6, "instance")
    assert gate.customer().until_refused(SCAN) == (4, "tier")


def test_as_many_users_as_are_expected_are_all_remembered(gate: Gate) -> None:
    users = [gate.customer() for _ in range(2 * CALLERS)]
    for _ in range(2):
        assert {user.ask(TRACES).headers["x-ratelimit-limit"] for user in users} == {"100"}
    assert {user.ask(TRACES).headers["x-ratelimit-remaining"] for user in users} == {"97"}
