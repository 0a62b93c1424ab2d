"""What a refused caller is told, what everyone else is told, and what the access log says of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import grpc
import pytest

from dev.envoy.apply import apply
from dev.envoy.files import EnvoyFiles
from tests.support.e2e.customer import CHAT, COMPLETIONS, SCAN, TRACES, WORKFLOWS, Customer, Feature
from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import Gate, open_gate

GENERATE: Final = "/duo_workflow.DuoWorkflow/GenerateToken"
DAY: Final = 86_400
OFFICE: Final = "127.0.0.2"
LIMITS: Final = """\
backend_services:
  sast:
    capacity: 100000/day
    tiers:
      any:   {share: 10%, instance: 1000/day, user: 3/day}
      small: {share: 10%, instance: 2/day, user: 1000/day}
      medium: {share: 10%, instance: 1000/day, user: 10/second}
  duo_workflow:
    capacity: 60/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
    unit_primitives:
      duo_workflow_generate_token: {tiers: {any: {user: 2/day}}}
  observability:
    capacity: 40/day
    tiers:
      any:   {share: 10%, instance: 1000/day, user: 1000/day}
  ai_gateway:
    capacity: 100000/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
    unit_primitives:
      duo_chat: {tiers: {any: {share: 0.01%}}}
addresses: {attempts: 5/day, failed_authentications: 5/day, refusals: 5/day, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""


@pytest.fixture(scope="module")
def gate(door: Door) -> Iterator[Gate]:
    with open_gate(door, "answers", LIMITS) as opened:
        yield opened


def told(answer: Answer) -> dict[str, str]:
    """What an answer says of limits."""
    return {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit") or "retry" in name}


def refusal(customer: Customer, feature: Feature, source: str = "") -> Answer:
    """The first answer that a limit gave."""
    for _ in range(30):
        answer = customer.ask(feature, source=source)
        if answer.status == 429:
            return answer
    raise AssertionError("no limit refused")


@pytest.mark.parametrize(
    ("scope", "tier", "feature", "number", "source"),
    [
        ("user", "any", SCAN, 3, ""),
        ("instance", "small", SCAN, 2, ""),
        ("tier", "any", TRACES, 4, ""),
        ("unit-primitive", "any", CHAT, 10, ""),
        ("address", "any", COMPLETIONS, 5, OFFICE),
    ],
)
def test_a_refusal_is_json_with_one_set_of_headers_which_is_the_refusers(
    gate: Gate, scope: str, tier: str, feature: Feature, number: int, source: str
) -> None:
    answer = refusal(gate.customer(tier), feature, source)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": "Too many requests", "reason": "rate_limited", "request_id": answer.request_id}
    seconds = answer.headers["retry-after"]
    assert told(answer) == {
        "x-ratelimit-scope": scope,
        "x-ratelimit-limit": str(number),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": seconds,
        "retry-after": seconds,
    }
    assert 1 < int(seconds) <= DAY // number, "later than the next token comes"
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["status"], line["details"], line["flags"], line["upstream"]) == (
        scope,
        429,
        "local_rate_limited",
        "RL",
        None,
    )


def test_a_good_answer_tells_what_is_left_to_its_user_alone(gate: Gate) -> None:
    one = gate.customer()
    answers = [one.ask(SCAN) for _ in range(2)]
    assert [told(answer) for answer in answers] == [
        {"x-ratelimit-limit": "3", "x-ratelimit-remaining": left, "x-ratelimit-reset": "0"} for left in ("2", "1")
    ]
    assert gate.log_line(answers[0].request_id)["limit"] is None


def test_whoever_is_refused_by_a_fast_bucket_is_told_to_wait_a_second(gate: Gate) -> None:
    assert refusal(gate.customer("medium"), SCAN).headers["retry-after"] == "1"


def test_a_grpc_client_is_told_that_its_resources_are_exhausted(gate: Gate) -> None:
    one = gate.customer()
    sent = gate.client.headers(GENERATE, ["duo_workflow_generate_token"], claims=one.claims, overrides=one.headers())
    metadata = tuple((name, value) for name, value in sent.items() if name != "x-request-id")
    named = (*metadata, ("x-request-id", "grpc-refused"))
    with grpc_client(gate.envoy.plain) as calls:
        for _ in range(2):
            assert calls.call(GENERATE, b"", metadata)
        assert calls.refusal(GENERATE, named) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests")
    line = gate.log_line("grpc-refused")
    assert (line["limit"], line["details"]) == ("user", "local_rate_limited")


def test_what_has_no_caller_is_told_and_counted_nothing(gate: Gate) -> None:
    """A public path and a request without a token have neither user nor tier, whose share is 6 here."""
    public = [gate.client.ask("GET", "/duo-workflow/monitoring/healthz") for _ in range(20)]
    unknown = [gate.client.ask("POST", WORKFLOWS.path) for _ in range(20)]
    assert ({answer.status for answer in public}, {answer.status for answer in unknown}) == ({200}, {401})
    assert [told(answer) for answer in (*public, *unknown)] == [{}] * 40
    assert gate.customer().ask(WORKFLOWS).status == 200


class Exhausted(BaseHTTPRequestHandler):
    """A backend with limits of its own, which claims that they are the door's."""

    status = 429

    def do_GET(self) -> None:  # its name
        """Healthy."""
        self._answer(200)

    def do_POST(self) -> None:  # its name
        """Refuse."""
        own = {"limit": "9", "remaining": "8", "reset": "7", "scope": "user"}
        headers = {f"x-ratelimit-{name}": value for name, value in own.items()}
        self._answer(self.status, {"retry-after": "77", **headers})

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def exhausted_sast(gate: Gate) -> Iterator[None]:
    with serving() as port:
        source, running = EnvoyFiles(gate.source / "envoy"), gate.envoy.files
        list(apply(source, running, {**gate.door.ports, 8131: port}))
        yield
        list(apply(source, running, gate.door.ports))


@contextmanager
def serving() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exhausted)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.usefixtures("exhausted_sast")
@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_backends_own_limits_are_not_mistaken_for_ours(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Exhausted, "status", status)
    answer = gate.customer().ask(SCAN)
    assert (answer.status, answer.body) == (status, b"")
    assert told(answer) == {
        "retry-after": "77",
        "x-ratelimit-limit": "3",
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": "0",
    }
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["details"]) == (None, "via_upstream")
