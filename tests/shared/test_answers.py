"""What a refused caller is told, what everyone else is told, and what the access log says of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import grpc
import pytest

from dev.envoy.apply import apply
from tests.support.e2e.customer import CHAT, SCAN, TRACES, WORKFLOWS, Feature
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.http_client import Answer
from tests.support.shared.gate import SharedGate, SharedGates

GENERATE: Final = "/duo_workflow.DuoWorkflow/GenerateToken"
DAY: Final = 86_400
LIMITS: Final = """\
backend_services:
  sast:
    capacity: 100000/day
    tiers:
      any:   {share: 10%, instance: 1000/day, user: 3/day}
      small: {share: 10%, instance: 2/day, user: 1000/day}
  duo_workflow:
    capacity: 100000/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
    unit_primitives:
      duo_workflow_generate_token: {tiers: {any: {user: 2/day}}}
  observability:
    capacity: 40/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
  ai_gateway:
    capacity: 100000/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
    unit_primitives:
      duo_chat: {tiers: {any: {share: 0.01%}}}
addresses: {attempts: 100000/day, failed_authentications: 3/day, refusals: 3/hour, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    with gates.open("shared-answers", LIMITS) as opened:
        yield opened


def told(answer: Answer) -> dict[str, str]:
    """What an answer says of limits."""
    return {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit") or "retry" in name}


def is_rate_limited(gate: SharedGate, answer: Answer, scope: str) -> None:
    """JSON, and a line in the access log that says whose limit it was."""
    assert answer.status == 429
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": "Too many requests", "reason": "rate_limited", "request_id": answer.request_id}
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["status"], line["details"], line["flags"], line["upstream"]) == (
        scope,
        429,
        "request_rate_limited",
        "RL",
        None,
    )
    assert line["limits_failed"] == "false"


@pytest.mark.parametrize(
    ("scope", "tier", "feature", "number"),
    [
        ("user", "any", SCAN, 3),
        ("instance", "small", SCAN, 2),
        ("tier", "any", TRACES, 4),
        ("unit-primitive", "any", CHAT, 10),
    ],
)
def test_a_refusal_is_json_with_one_set_of_headers_which_is_the_refusers(
    gate: SharedGate, scope: str, tier: str, feature: Feature, number: int
) -> None:
    one = gate.customer(tier)
    for _ in range(number):
        assert one.ask(feature).status == 200
    answer = one.ask(feature)
    is_rate_limited(gate, answer, scope)
    seconds = answer.headers["retry-after"]
    assert told(answer) == {
        "x-ratelimit-scope": scope,
        "x-ratelimit-limit": f"{number}, {number};w={DAY}",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": seconds,
        "retry-after": seconds,
    }
    assert 0 < int(seconds) <= DAY, "later than the window ends"


def test_a_refused_address_is_told_the_longest_window_and_nothing_of_its_count(gate: SharedGate) -> None:
    answers = [gate.client.ask("POST", SCAN.path, source="127.0.2.1")]
    gate.door.wait_until(lambda: _failing(gate, answers) == 429, "a refusal")
    is_rate_limited(gate, answers[-1], "address")
    assert told(answers[-1]) == {"x-ratelimit-scope": "address", "retry-after": str(DAY)}
    assert [told(answer) for answer in answers[:-1]] == [{}] * (len(answers) - 1)


def _failing(gate: SharedGate, answers: list[Answer]) -> int:
    answers.append(gate.client.ask("POST", SCAN.path, source="127.0.2.1"))
    return answers[-1].status


def test_a_good_answer_tells_what_is_left_to_its_user_alone(gate: SharedGate) -> None:
    one = gate.customer()
    answers = [one.ask(SCAN) for _ in range(2)]
    for answer, left in zip(answers, ("2", "1"), strict=True):
        seconds = answer.headers["x-ratelimit-reset"]
        assert 0 < int(seconds) <= DAY
        assert told(answer) == {
            "x-ratelimit-limit": f"3, 3;w={DAY}",
            "x-ratelimit-remaining": left,
            "x-ratelimit-reset": seconds,
        }
        line = gate.log_line(answer.request_id)
        assert (line["limit"], line["limits_failed"]) == (None, "false")


def test_a_grpc_client_is_told_that_its_resources_are_exhausted(gate: SharedGate) -> None:
    one = gate.customer()
    sent = gate.client.headers(GENERATE, ["duo_workflow_generate_token"], claims=one.claims, overrides=one.headers())
    metadata = tuple((name, value) for name, value in sent.items() if name != "x-request-id")
    named = (*metadata, ("x-request-id", "grpc-refused"))
    with grpc_client(gate.envoy.plain) as calls:
        for _ in range(2):
            assert calls.call(GENERATE, b"", metadata)
        assert calls.refusal(GENERATE, named) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests")
    line = gate.log_line("grpc-refused")
    assert (line["limit"], line["details"]) == ("user", "request_rate_limited")


def test_what_has_no_caller_is_told_and_counted_nothing(gate: SharedGate) -> None:
    """A public path and a request without a token have neither user nor tier."""
    public = [gate.client.ask("GET", "/duo-workflow/monitoring/healthz") for _ in range(10)]
    unknown = [gate.client.ask("POST", WORKFLOWS.path) for _ in range(10)]
    assert ({answer.status for answer in public}, {answer.status for answer in unknown}) == ({200}, {401})
    assert [told(answer) for answer in (*public, *unknown)] == [{}] * 20
    lines = [gate.log_line(answer.request_id) for answer in (public[-1], unknown[-1])]
    assert [(line["limit"], line["limits_failed"]) for line in lines] == [(None, "false")] * 2


def test_a_refusal_by_authz_is_told_and_counted_nothing_behind_it(gate: SharedGate) -> None:
    one = gate.customer()
    wrong = replace(SCAN, unit_primitive="duo_chat")
    answers = [one.ask(wrong) for _ in range(5)]
    assert ([answer.status for answer in answers], [told(answer) for answer in answers]) == ([403] * 5, [{}] * 5)
    assert one.until_refused(SCAN) == (3, "user")


class Boasting(BaseHTTPRequestHandler):
    """A backend with limits of its own, which claims that they are the door's."""

    status = 429

    def do_GET(self) -> None:  # its name
        """Healthy."""
        self._answer(200, {})

    def do_POST(self) -> None:  # its name
        """Refuse."""
        own = {"limit": "9", "remaining": "8", "reset": "7", "scope": "user"}
        self._answer(self.status, {"retry-after": "77", **{f"x-ratelimit-{name}": text for name, text in own.items()}})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def boasting() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Boasting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def boasting_sast(gate: SharedGate) -> Iterator[None]:
    with boasting() as port:
        list(apply(gate.files, gate.envoy.files, {**gate.ports, 8131: port}))
        yield
        list(apply(gate.files, gate.envoy.files, gate.ports))


@pytest.mark.usefixtures("boasting_sast")
@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_backends_own_limits_are_not_mistaken_for_ours(
    gate: SharedGate, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Boasting, "status", status)
    answer = gate.customer().ask(SCAN)
    assert (answer.status, answer.body) == (status, b"")
    seconds = answer.headers["x-ratelimit-reset"]
    assert told(answer) == {
        "retry-after": "77",
        "x-ratelimit-limit": f"3, 3;w={DAY}",
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": seconds,
    }
    assert seconds != "7"
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["details"]) == (None, "via_upstream")
