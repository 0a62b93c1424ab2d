"""What a refused caller is answered, what every other caller is, and what the access log has; with either engine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import grpc
import pytest

from dev.envoy.apply import apply
from dev.envoy.files import Engine
from tests.support.e2e.customer import CHAT, COMPLETIONS, SCAN, TRACES, WORKFLOWS, Customer, Feature
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import Gate
from tests.support.shared.gate import EMBEDDED_ONLY, SHARED_ONLY, Opener

GENERATE: Final = "/DuoWorkflow/GenerateToken"
DAY: Final = 86_400
LIMITS: Final = """\
backend_services:
  sast:
    capacity: 100000/day
    tiers:
      any:   {share: 10%, instance: 1000/day, user: 3/day}
      small: {share: 10%, instance: 2/day, user: 1000/day}
      medium: {share: 10%, instance: 1000/day, user: 10/second}
      large: {share: 10%, instance: 1000/day, namespace: 2/day, user: 1000/day}
  duo_workflow_service:
    capacity: 60/day
    tiers:
      any: {share: 10%, instance: 1000/day, user: 1000/day}
    unit_primitives:
      duo_workflow_execute_workflow: {tiers: {any: {user: 2/day}}}
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
addresses: {attempts: 5/day, failed_authentications: 3/day, refusals: 3/hour, exempt: [127.0.0.1/32]}
embedded: {expected_callers: {addresses: 100, users: 1000, instances: 1000}}
shared: {service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}
"""
DETAILS: Final = {Engine.EMBEDDED: "local_rate_limited", Engine.SHARED: "request_rate_limited"}
ANSWERED: Final = {Engine.EMBEDDED: None, Engine.SHARED: "false"}
"""What the access log has in `limits_failed` while the rate limit service answers; without one it has no such key."""


@pytest.fixture(scope="module")
def gate(opener: Opener, engine: Engine) -> Iterator[Gate]:
    with opener(f"{engine}-answers", LIMITS) as opened:
        yield opened


def headers(answer: Answer) -> dict[str, str]:
    """The headers of an answer that are about limits."""
    return {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit") or "retry" in name}


def limit_header(engine: Engine, number: int) -> str:
    """How a limit of so many a day is shown: the service adds the window."""
    return str(number) if engine is Engine.EMBEDDED else f"{number}, {number};w={DAY}"


def refusal(customer: Customer, feature: Feature, source: str = "") -> Answer:
    """The first answer that a limit gave."""
    for _ in range(30):
        answer = customer.ask(feature, source=source)
        if answer.status == 429:
            return answer
    raise AssertionError("no limit refused")


def is_rate_limited(gate: Gate, engine: Engine, answer: Answer, scope: str) -> None:
    """JSON, and a line in the access log that says whose limit it was."""
    assert answer.status == 429
    assert answer.headers["content-type"] == "application/json"
    text = "Too many requests"
    assert answer.json() == {
        "error": text,
        "detail": text,
        "reason": "rate_limited",
        "request_id": answer.request_id,
    }
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["status"], line["details"], line["flags"], line["upstream"]) == (
        scope, 429, DETAILS[engine], "RL", None,
    )  # fmt: skip
    assert line.get("limits_failed") == ANSWERED[engine]


@pytest.mark.parametrize(
    ("scope", "tier", "feature", "number"),
    [
        ("user", "any", SCAN, 3),
        ("instance", "small", SCAN, 2),
        ("namespace", "", SCAN, 2),
        ("tier", "any", TRACES, 4),
        ("unit-primitive", "any", CHAT, 10),
    ],
)
def test_a_refusal_is_json_with_one_set_of_headers_which_is_the_refusers(
    gate: Gate, engine: Engine, scope: str, tier: str, feature: Feature, number: int
) -> None:
    one = gate.customer(tier) if tier else gate.namespace()
    assert [one.ask(feature).status for _ in range(number)] == [200] * number
    answer = one.ask(feature)
    is_rate_limited(gate, engine, answer, scope)
    seconds = answer.headers["retry-after"]
    assert headers(answer) == {
        "x-ratelimit-scope": scope,
        "x-ratelimit-limit": limit_header(engine, number),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": seconds,
        "retry-after": seconds,
    }
    # The embedded engine refills all the time; the service at the end of the window, which may be near.
    earliest, latest = (1, DAY // number) if engine is Engine.EMBEDDED else (0, DAY)
    assert earliest < int(seconds) <= latest


@EMBEDDED_ONLY
def test_a_refused_address_gets_the_same_headers(gate: Gate, engine: Engine) -> None:
    answer = refusal(gate.customer(), COMPLETIONS, "127.0.0.2")
    is_rate_limited(gate, engine, answer, "address")
    seconds = answer.headers["retry-after"]
    assert headers(answer) == {
        "x-ratelimit-scope": "address",
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": seconds,
        "retry-after": seconds,
    }
    assert 1 < int(seconds) <= DAY // 5


@SHARED_ONLY
def test_a_refused_address_gets_the_longest_window_and_nothing_of_its_count(gate: Gate, engine: Engine) -> None:
    answers: list[Answer] = []

    def is_refused() -> bool:
        answers.append(gate.client.ask("POST", SCAN.path, source="127.0.2.1"))
        return answers[-1].status == 429

    gate.door.wait_until(is_refused, "a refusal")
    is_rate_limited(gate, engine, answers[-1], "address")
    assert headers(answers[-1]) == {"x-ratelimit-scope": "address", "retry-after": str(DAY)}
    assert [headers(answer) for answer in answers[:-1]] == [{}] * (len(answers) - 1)


def test_a_good_answer_shows_what_is_left_to_its_user_alone(gate: Gate, engine: Engine) -> None:
    one = gate.customer()
    for left in ("2", "1"):
        answer = one.ask(SCAN)
        seconds = answer.headers["x-ratelimit-reset"]
        assert headers(answer) == {
            "x-ratelimit-limit": limit_header(engine, 3),
            "x-ratelimit-remaining": left,
            "x-ratelimit-reset": seconds,
        }
        assert seconds == "0" if engine is Engine.EMBEDDED else 0 < int(seconds) <= DAY
        line = gate.log_line(answer.request_id)
        assert (line["limit"], line.get("limits_failed")) == (None, ANSWERED[engine])


@EMBEDDED_ONLY
def test_a_caller_refused_by_a_fast_bucket_is_to_wait_a_second(gate: Gate) -> None:
    assert refusal(gate.customer("medium"), SCAN).headers["retry-after"] == "1"


def test_a_grpc_client_gets_resource_exhausted(gate: Gate, engine: Engine) -> None:
    one = gate.customer()
    sent = gate.client.headers(GENERATE, ["duo_workflow_execute_workflow"], claims=one.claims, overrides=one.headers())
    metadata = tuple((name, value) for name, value in sent.items() if name != "x-request-id")
    named = (*metadata, ("x-request-id", "grpc-refused"))
    with grpc_client(gate.envoy.plain) as client:
        for _ in range(2):
            assert client.call(GENERATE, b"", metadata)
        assert client.refusal(GENERATE, named) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests")
    line = gate.log_line("grpc-refused")
    assert (line["limit"], line["details"]) == ("user", DETAILS[engine])


def test_a_request_without_a_caller_counts_against_no_quota(gate: Gate, engine: Engine) -> None:
    """A public path and a request without a token have neither user nor tier, whose share is 6 here."""
    public = [gate.client.ask("GET", "/duo-workflow/monitoring/healthz") for _ in range(20)]
    unknown = [gate.client.ask("POST", WORKFLOWS.path) for _ in range(20)]
    assert ({answer.status for answer in public}, {answer.status for answer in unknown}) == ({200}, {401})
    assert [headers(answer) for answer in (*public, *unknown)] == [{}] * 40
    lines = [gate.log_line(answer.request_id) for answer in (public[-1], unknown[-1])]
    assert [(line["limit"], line.get("limits_failed")) for line in lines] == [(None, ANSWERED[engine])] * 2
    assert gate.customer().ask(WORKFLOWS).status == 200


def test_a_refusal_by_authz_counts_against_no_quota(gate: Gate) -> None:
    one = gate.customer()
    wrong = replace(SCAN, unit_primitive="duo_chat")
    answers = [one.ask(wrong) for _ in range(5)]
    assert [(answer.status, headers(answer)) for answer in answers] == [(403, {})] * 5
    assert one.until_refused(SCAN) == (3, "user")


class OwnLimits(BaseHTTPRequestHandler):
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
def backend() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnLimits)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def _sast_with_own_limits(gate: Gate) -> Iterator[None]:
    with backend() as port:
        list(apply(gate.files, gate.envoy.files, {**gate.ports, 8131: port}))
        yield
        list(apply(gate.files, gate.envoy.files, gate.ports))


@pytest.mark.usefixtures("_sast_with_own_limits")
@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_backends_own_limits_are_not_mistaken_for_ours(
    gate: Gate, engine: Engine, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(OwnLimits, "status", status)
    answer = gate.customer().ask(SCAN)
    assert (answer.status, answer.body) == (status, b"")
    seconds = answer.headers["x-ratelimit-reset"]
    assert headers(answer) == {
        "retry-after": "77",
        "x-ratelimit-limit": limit_header(engine, 3),
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": seconds,
    }
    assert seconds == "0" if engine is Engine.EMBEDDED else seconds != "7"
    line = gate.log_line(answer.request_id)
    assert (line["limit"], line["details"]) == (None, "via_upstream")
