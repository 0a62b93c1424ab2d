"""Traces: one span for each answer in the trace that Envoy began, sent to a real collector or to nobody."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from authz.observing.traces import Traces, spans_url
from authz.policy.load import Policy
from tests.support.minting import NOW
from tests.support.observing import observe, observed
from tests.support.waiting import until

SECONDS: Final = 30.0
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = "00f067aa0ba902b7"
ERROR: Final = 2


@dataclass
class Collector:
    """What a collector was sent; `status` is what it answers."""

    url: str
    status: int
    paths: list[str] = field(default_factory=list)
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    def spans(self) -> list[Span]:
        every = (
            scope.spans for request in self.requests for part in request.resource_spans for scope in part.scope_spans
        )
        return [span for spans in every for span in spans]

    def only(self) -> Span:
        ((span),) = self.spans()
        return span


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collecting.paths.append(self.path)
            collecting.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(collecting.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as http.server names it
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        collecting = Collector(f"http://127.0.0.1:{server.server_port}", status)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield collecting
        server.shutdown()


def attributes(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def parent(flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "tracestate": "vendor=1"}


def test_a_span_goes_on_in_the_trace_of_the_request(policy: Policy) -> None:
    with collector() as collecting:
        traces = Traces(collecting.url, worker=3, version="1.2.3")
        traces.observe(observed(policy, headers=parent())._replace(seconds=0.25))
        traces.close(SECONDS)
        span = collecting.only()
        (resource,) = (part.resource for request in collecting.requests for part in request.resource_spans)
    assert collecting.paths == ["/v1/traces"]
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("authz.check", TRACE, PARENT)
    assert span.trace_state == "", "2026-11-22: what a client wrote into tracestate went to the collector"
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (NOW * 10**9, NOW * 10**9 + 250_000_000)
    assert attributes(span) == {
        "authz.reason": "allowed",
        "authz.backend_service": "ai_gateway",
        "authz.unit_primitive": "complete_code",
        "authz.tier": "small",
        "authz.issuer": "customers-dot",
        "authz.revision": policy.revision,
        "authz.request_id": "1543f25e-0604-443f-b7de-1f83989e68fa",
    }
    about = {each.key: each.value.string_value for each in resource.attributes}
    assert about.items() >= {"service.name": "authz", "service.version": "1.2.3", "service.instance.id": "3"}.items()


def test_a_refusal_says_why_and_a_failure_is_an_error(policy: Policy) -> None:
    with collector() as collecting:
        traces = Traces(collecting.url, 0, "1")
        traces.observe(observed(policy, claims={"exp": 1}))
        traces.observe(observe(policy.judge, b"\xff")._replace(at=None))
        traces.close(SECONDS)
        refused, failed = collecting.spans()
    assert (attributes(refused)["authz.token_error"], refused.status.code) == ("expired", 0)
    assert (attributes(failed)["authz.reason"], failed.status.code) == ("internal_error", ERROR)


def test_a_trace_that_nobody_records_is_not_sent(policy: Policy) -> None:
    with collector() as collecting:
        traces = Traces(collecting.url, 0, "1")
        traces.observe(observed(policy, headers=parent("00")))
        traces.observe(observed(policy, headers={"traceparent": "nonsense\x00", "tracestate": "x" * 10_000}))
        traces.close(SECONDS)
        span = collecting.only()
    assert (span.parent_span_id, span.trace_state) == (b"", ""), "nonsense begins a trace of its own"


@pytest.mark.parametrize("status", [400, 503])
def test_a_collector_that_refuses_costs_spans_and_says_nothing(
    policy: Policy, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with collector(status) as collecting:
        traces = Traces(collecting.url, 0, "1")
        traces.observe(observed(policy))
        until(lambda: bool(collecting.requests))
        traces.close(0.01)
        until(lambda: traces.dropped() == 1)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_collector_that_is_gone_costs_spans_and_nothing_else(
    policy: Policy, capfd: pytest.CaptureFixture[str]
) -> None:
    with collector() as collecting:
        pass
    before = threading.active_count()
    traces = Traces(collecting.url, 0, "1")
    seen = observed(policy)
    assert traces.dropped() == 0
    for _ in range(3_000):
        traces.observe(seen)
    traces.close(0.01)
    assert traces._exporter._shutdown, "what goes on is cut short"
    until(lambda: threading.active_count() == before)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector:4318/", "https://collector:4318/v1/traces"),
        ("http://collector/otlp/v1/traces", "http://collector/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_a_collector_without_a_path_takes_spans_where_all_do(endpoint: str, url: str) -> None:
    assert spans_url(endpoint) == url


GONE: Final = """
from authz.deciding.observation import Observation
from authz.deciding.judge import Judgement
from authz.deciding.decision import Denied
from authz.deciding.reasons import Reason
from authz.observing.traces import Traces
traces = Traces("http://127.0.0.1:1", 0, "1")
traces.observe(Observation(None, Judgement(Denied(Reason.INTERNAL_ERROR)), 1.0, 0.0, "r"))
traces.close(30)
print(traces.dropped())
"""


def test_a_collector_that_is_gone_is_no_line_in_the_log() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", GONE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_without_a_collector_its_library_is_not_loaded() -> None:
    modules = "authz.observing.observers, authz.deciding.check, authz.serving.admin"
    code = f"import sys, {modules}; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
