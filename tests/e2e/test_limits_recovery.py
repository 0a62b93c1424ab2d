"""Whoever was refused is let in again when the window has gone on, without anybody's help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.e2e.customer import COMPLETIONS, SCAN, TRACES, WORKFLOW_TOKEN, Customer, Feature
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import Gate, open_gate

LIMITS: Final = """\
backend_services:
  ai_gateway:    {capacity: 10/second, tiers: {any: {share: 10%, instance: 400/second, user: 400/second}}}
  sast:          {capacity: 4000/second, tiers: {any: {share: 10%, instance: 400/second, user: 1/second}}}
  observability: {capacity: 4000/second, tiers: {any: {share: 10%, instance: 1/second, user: 400/second}}}
  duo_workflow:
    capacity: 4000/second
    tiers: {any: {share: 10%, instance: 400/second, user: 400/second}}
    unit_primitives: {duo_workflow_generate_token: {tiers: {any: {share: 0.03%}}}}
addresses: {attempts: 1/second, failed_authentications: 1/second, refusals: 1/second, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""


@pytest.fixture(scope="module")
def gate(door: Door) -> Iterator[Gate]:
    with open_gate(door, "recovery", LIMITS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("scope", "feature", "source"),
    [
        ("user", SCAN, ""),
        ("instance", TRACES, ""),
        ("tier", COMPLETIONS, ""),
        ("unit-primitive", WORKFLOW_TOKEN, ""),
        ("address", SCAN, "127.0.0.2"),
    ],
)
def test_a_limit_recovers_after_its_window(gate: Gate, scope: str, feature: Feature, source: str) -> None:
    one = gate.customer()
    refused = awaited(gate, one, feature, source, 429)
    assert refused.headers["x-ratelimit-scope"] == scope
    assert "x-ratelimit-scope" not in awaited(gate, one, feature, source, 200).headers


def awaited(gate: Gate, customer: Customer, feature: Feature, source: str, status: int) -> Answer:
    """Ask until that is the answer."""
    answers: list[Answer] = []

    def is_given() -> bool:
        answers.append(customer.ask(feature, source=source))
        return answers[-1].status == status

    while not is_given() and len(answers) < 20:  # in a row: the bucket fills up while we wait
        pass
    gate.door.wait_until(lambda: answers[-1].status == status or is_given(), f"a {status}")
    return answers[-1]
