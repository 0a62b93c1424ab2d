"""What counts dies or hangs: requests go on, or are refused where that is asked for, and either is seen."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import grpc
import pytest

from dev.envoy.files import Engine
from tests.e2e.test_limits_numbers import LIMITS
from tests.support.e2e.customer import SCAN
from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.limited import with_limits
from tests.support.shared.counting import Part
from tests.support.shared.gate import PATIENT_HEALTH, SharedGate, SharedGates

pytestmark = pytest.mark.shared

GENERATE: Final = "/DuoWorkflow/GenerateToken"
AS_SHIPPED: Final = ("timeout: 1s", "timeout: 50ms")
DENY: Final = ("on_failure: allow", "on_failure: deny")
OUTAGES: Final = ("service dead", "service hangs", "redis dead", "redis hangs")


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    """Requests go on."""
    with gates.open("shared-allows", LIMITS, [AS_SHIPPED]) as opened:
        yield opened


@pytest.fixture(scope="module")
def strict(gate: SharedGate) -> Iterator[SharedGate]:
    """The same service and limits, but requests do not go on."""
    files = replace(with_limits(gate.door.folder / "source-denies", LIMITS, [DENY]), engine=Engine.SHARED)
    with gate.another("shared-denies", PATIENT_HEALTH, files) as opened:
        yield opened


@contextmanager
def outage(gate: SharedGate, kind: str) -> Iterator[None]:
    """That happens while the block runs; afterwards the door counts again, by itself."""
    part: Part = gate.counting.ratelimit if kind.startswith("service") else gate.counting.redis
    if kind.endswith("dead"):
        part.kill()
    else:
        part.hang()
    try:
        yield
    finally:
        part.come_back()
        # Connections to Redis come back one by one.
        gate.door.wait_until(lambda: counts(gate), "a count")


def counts(gate: SharedGate) -> bool:
    """Whether a user is let in three times, as the limit says, and not once more."""
    one = gate.customer()
    return [one.ask(SCAN).status for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.parametrize("kind", OUTAGES)
def test_requests_go_on_without_a_count_and_it_is_told(gate: SharedGate, kind: str) -> None:
    one = gate.customer()
    allowed = r"cluster\.sast\.ratelimit\.limits_(users|instances|tiers)\.failure_mode_allowed"
    before = gate.counted(allowed)
    with outage(gate, kind):
        answers = [one.ask(SCAN) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]
    assert gate.counted(allowed) >= before + 3 * 5
    lines = [gate.log_line(answer.request_id) for answer in answers]
    assert {(line["limits_failed"], line["limit"], line["details"]) for line in lines} == {
        ("true", None, "via_upstream")
    }


@pytest.mark.parametrize("kind", OUTAGES)
def test_a_setting_turns_it_into_503(strict: SharedGate, kind: str) -> None:
    errors = r"cluster\.sast\.ratelimit\.limits_(addresses|users|instances|tiers)\.error"
    before = strict.counted(errors)
    with outage(strict, kind):
        with strict.door.no_request_at_backends():
            answers = [strict.customer().ask(SCAN) for _ in range(3)]
            assert strict.client.ask("GET", "/ai/monitoring/healthz").status == 503
        assert strict.client.ask("GET", "/-/health").status == 200
    for answer in answers:
        assert answer.status == 503
        assert answer.json() == {
            "error": "Service unavailable",
            "detail": "Service unavailable",
            "reason": "not_ready",
            "request_id": answer.request_id,
        }
        line = strict.log_line(answer.request_id)
        assert (line["details"], line["flags"], line["limit"]) == ("rate_limiter_error", "RLSE", None)
    assert strict.counted(errors) >= before + 3


def test_a_setting_turns_it_into_unavailable_for_grpc(strict: SharedGate) -> None:
    one = strict.customer()
    sent = strict.client.headers(GENERATE, ["duo_agent_platform"], claims=one.claims, overrides=one.headers())
    with outage(strict, "service dead"), grpc_client(strict.envoy.plain) as calls, strict.door.no_request_at_backends():
        assert calls.refusal(GENERATE, tuple(sent.items())) == (grpc.StatusCode.UNAVAILABLE, "Service unavailable")


def test_both_gates_count_when_nothing_is_wrong(gate: SharedGate, strict: SharedGate) -> None:
    for each in (gate, strict):
        gate.door.wait_until(partial(counts, each), "a count")


@pytest.fixture
def dead_authz(door: Door, gate: SharedGate) -> Iterator[None]:
    """The service that decides, killed without warning; another one afterwards."""
    door.authz.kill()
    yield
    door.authz.stop()
    door.authz.start()
    door.wait_for_authz()
    door.wait_until(lambda: gate.client.ask("GET", "/ai/monitoring/healthz").status == 200, "authz")


@pytest.mark.usefixtures("dead_authz")
def test_without_authz_nothing_is_let_through_whatever_the_limits_say(gate: SharedGate) -> None:
    one = gate.customer()
    with gate.door.no_request_at_backends():
        answers = [one.ask(SCAN, {"x-request-id": uuid.uuid4().hex}) for _ in range(5)]
    assert {(answer.status, answer.json()["reason"]) for answer in answers} == {(503, "not_ready")}
    assert gate.counting.charged(f"users_*{one.instance}*") == 0
