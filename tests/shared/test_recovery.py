"""Whoever was refused is let in again when the window is over, without anybody's help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support.e2e.customer import COMPLETIONS, SCAN, TRACES, WORKFLOW_TOKEN, Feature
from tests.support.e2e.http_client import Answer
from tests.support.shared.gate import SharedGate, SharedGates

LIMITS: Final = """\
backend_services:
  ai_gateway:    {capacity: 10/second, tiers: {any: {share: 10%, instance: 400/second, user: 400/second}}}
  sast:          {capacity: 4000/second, tiers: {any: {share: 10%, instance: 400/second, user: 1/second}}}
  observability: {capacity: 4000/second, tiers: {any: {share: 10%, instance: 1/second, user: 400/second}}}
  duo_workflow:
    capacity: 4000/second
    tiers: {any: {share: 10%, instance: 400/second, user: 400/second}}
    unit_primitives: {duo_workflow_generate_token: {tiers: {any: {share: 0.03%}}}}
addresses: {attempts: 1/second, failed_authentications: 1/second, refusals: 2/second, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    with gates.open("shared-recovery", LIMITS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("scope", "feature"),
    [("user", SCAN), ("instance", TRACES), ("tier", COMPLETIONS), ("unit-primitive", WORKFLOW_TOKEN)],
)
def test_a_limit_recovers_after_its_window(gate: SharedGate, scope: str, feature: Feature) -> None:
    one = gate.customer()
    refused = awaited(gate, lambda: one.ask(feature), 429)
    assert (refused.headers["x-ratelimit-scope"], refused.headers["retry-after"]) == (scope, "1")
    awaited(gate, lambda: one.ask(feature), 200)


@pytest.mark.parametrize("unit_primitive", [None, "duo_chat"], ids=["failed authentications", "refusals"])
def test_an_address_recovers_after_its_window(gate: SharedGate, unit_primitive: str | None) -> None:
    address = "127.0.5.1" if unit_primitive else "127.0.5.2"

    def turned_away() -> Answer:
        scopes = None if unit_primitive is None else [unit_primitive]
        one = gate.customer()
        return gate.client.ask("POST", SCAN.path, scopes, claims=one.claims, headers=one.headers(), source=address)

    refused = awaited(gate, turned_away, 429)
    assert (refused.headers["x-ratelimit-scope"], refused.headers["retry-after"]) == ("address", "1")
    awaited(gate, lambda: gate.customer().ask(SCAN, source=address), 200)


def awaited(gate: SharedGate, ask: Callable[[], Answer], status: int) -> Answer:
    """Ask until that is the answer; several in a row, since windows are short."""
    answers: list[Answer] = []

    def is_given() -> bool:
        for _ in range(10):
            answers.append(ask())
            if answers[-1].status == status:
                return True
        return False

    gate.door.wait_until(is_given, f"a {status}")
    return answers[-1]
