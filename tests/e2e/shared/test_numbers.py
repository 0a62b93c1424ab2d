"""Every limit of users, instances, unit primitives and tiers trips at its number here as in Envoy itself.

The same tests, on another engine: one strategy. What only this one has is tested beside.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.test_limits_numbers import (
    LIMITS,
)
from tests.support.e2e.customer import TRACES
from tests.support.shared.gate import SharedGate, SharedGates

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    with gates.open("shared-numbers", LIMITS) as opened:
        yield opened


def test_limits_in_shadow_let_through_are_counted_and_are_not_shown(gate: SharedGate) -> None:
    """20 requests, of which 2 of a user, 4 of an instance and 10 of the tier are within the limits."""
    one = gate.customer()
    answers = [one.ask(TRACES) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]

    def over(domain: str) -> float:
        return gate.counting.service.counted(rf'ratelimit_service_rate_limit_shadow_mode{{domain="{domain}"')

    # Instances of another tier are in shadow, too, and another test asks for them.
    gate.door.wait_until(lambda: (over("users"), over("tiers")) == (18, 10) and over("instances") >= 16, "the counts")
