"""A refused caller is let in again when the window has passed, without any action; with either engine."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from dev.envoy.files import Engine
from tests.support.e2e.customer import COMPLETIONS, SCAN, TRACES, WORKFLOW_TOKEN, WORKFLOWS, Feature
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import Gate
from tests.support.shared.gate import EMBEDDED_ONLY, SHARED_ONLY, Opener

LIMITS: Final = """\
backend_services:
  ai_gateway:    {capacity: 10/second, tiers: {any: {share: 10%, instance: 400/second, user: 400/second}}}
  sast:          {capacity: 4000/second, tiers: {any: {share: 10%, instance: 400/second, user: 1/second}}}
  observability: {capacity: 4000/second, tiers: {any: {share: 10%, instance: 1/second, user: 400/second}}}
  duo_workflow_service:
    capacity: 4000/second
    tiers: {any: {share: 10%, instance: 400/second, namespace: 1/second, user: 400/second}}
    unit_primitives: {duo_workflow_generate_token: {tiers: {any: {share: 0.03%}}}}
addresses: {attempts: 1/second, failed_authentications: 1/second, refusals: 2/second, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""


@pytest.fixture(scope="module")
def gate(opener: Opener, engine: Engine) -> Iterator[Gate]:
    with opener(f"{engine}-recovery", LIMITS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("scope", "feature"),
    [
        ("user", SCAN),
        ("instance", TRACES),
        ("namespace", WORKFLOWS),
        ("tier", COMPLETIONS),
        ("unit-primitive", WORKFLOW_TOKEN),
    ],
)
def test_a_limit_recovers_after_its_window(gate: Gate, scope: str, feature: Feature) -> None:
    one = gate.namespace() if scope == "namespace" else gate.customer()
    recovers(gate, scope, lambda: one.ask(feature), lambda: one.ask(feature))


@EMBEDDED_ONLY
def test_an_address_recovers_after_its_window(gate: Gate) -> None:
    one = gate.customer()
    recovers(gate, "address", lambda: one.ask(SCAN, source="127.0.0.2"), lambda: one.ask(SCAN, source="127.0.0.2"))


@SHARED_ONLY
@pytest.mark.parametrize(
    ("scopes", "address"),
    [
        pytest.param(None, "127.0.5.2", id="failed authentications"),
        pytest.param(["duo_chat"], "127.0.5.1", id="refusals"),
    ],
)
def test_an_address_that_was_refused_by_authz_recovers_after_its_window(
    gate: Gate, scopes: list[str] | None, address: str
) -> None:
    def ask_in_vain() -> Answer:
        one = gate.customer()
        return gate.client.ask("POST", SCAN.path, scopes, claims=one.claims, headers=one.headers(), source=address)

    recovers(gate, "address", ask_in_vain, lambda: gate.customer().ask(SCAN, source=address))


def recovers(gate: Gate, scope: str, ask: Callable[[], Answer], again: Callable[[], Answer]) -> None:
    """Ask until this limit refuses, then until it lets a request in."""
    refused = awaited(gate, ask, 429)
    assert (refused.headers["x-ratelimit-scope"], refused.headers["retry-after"]) == (scope, "1")
    assert "x-ratelimit-scope" not in awaited(gate, again, 200).headers


def awaited(gate: Gate, ask: Callable[[], Answer], status: int) -> Answer:
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
