"""While a part is down no request is allowed and clients get a clear answer; afterwards requests work again."""

import socket
from collections.abc import Iterator
from typing import Final

import grpc
import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.stub_authz import StubAuthz, bootstrap_edits, serving

COMPLETIONS: Final = "/ai/v2/code/completions"
TOKEN: Final = "/DuoWorkflow/GenerateToken"
SOCKET: Final = "/duo-workflow/ws"


@pytest.fixture
def dead_authz(door: Door) -> Iterator[None]:
    """Kill the service for the duration of a test, and start it again."""
    door.authz.kill()
    yield
    door.authz.stop()
    door.authz.start()
    door.wait_for_authz()


@pytest.mark.usefixtures("dead_authz")
def test_no_request_is_allowed_while_the_service_is_dead(door: Door, client: HttpClient) -> None:
    with door.no_request_at_backends():
        for _ in range(3):  # before and after Envoy notices
            answer = client.ask("POST", COMPLETIONS, ["complete_code"])
            assert answer.status == 503
            assert answer.json() == {
                "error": "Service unavailable",
                "detail": "Service unavailable",
                "reason": "not_ready",
                "request_id": answer.request_id,
            }
            line = door.log_line(answer.request_id)
            assert (line["details"], line["attempts"]) == ("ext_authz_error", 0)
        assert client.ask("GET", "/ai/monitoring/healthz").status == 503
        assert client.ask("POST", COMPLETIONS).status == 503
        assert client.ask("GET", "/nowhere").status == 404
        assert client.ask("GET", "/-/health").status == 200


@pytest.mark.usefixtures("dead_authz")
def test_a_grpc_call_is_unavailable_while_the_service_is_dead(door: Door, client: HttpClient) -> None:
    metadata = tuple(client.headers(TOKEN, ["duo_workflow_execute_workflow"]).items())
    with grpc_client(door.plain) as calls, door.no_request_at_backends():
        assert calls.refusal(TOKEN, metadata) == (grpc.StatusCode.UNAVAILABLE, "Service unavailable")


def test_a_slow_service_is_not_asked_more_than_twice(door: Door, client: HttpClient) -> None:
    """2026-11-22: three attempts fitted into the timeout, so a slow service got three times the work."""
    socket_path = door.folder / "run" / "authz" / "slow.sock"
    slow = StubAuthz(CheckResponse())
    with (
        serving(slow, socket_path),
        door.another_envoy("slow", bootstrap_edits(socket_path)) as envoy,
        door.no_request_at_backends(),
    ):
        assert HttpClient(envoy.plain, client.mint).ask("POST", COMPLETIONS, ["complete_code"]).status == 503
        assert len(slow.checks) == 2


def test_requests_are_allowed_again_when_the_service_is_back(client: HttpClient) -> None:
    assert client.ask("POST", COMPLETIONS, ["complete_code"]).status == 200


def test_a_backend_without_a_healthy_endpoint_is_unavailable(door: Door, client: HttpClient) -> None:
    with door.edited(clusters=[("port_value: 8131", "port_value: 8132")]):
        door.wait_until(lambda: door.envoy.admin.healthy_endpoints()["sast"] == 0, "a dead sast")
        answer = client.ask("POST", "/sast/scan", ["security_scans"])
    assert answer.status == 503
    assert answer.json() == {
        "error": "Backend unavailable",
        "detail": "Backend unavailable",
        "reason": "upstream_unavailable",
        "request_id": answer.request_id,
    }
    line = door.log_line(answer.request_id)
    assert (line["outcome"], line["cluster"]) == ("allowed", "sast")


def test_a_request_to_a_dead_endpoint_is_retried_at_another(door: Door, client: HttpClient) -> None:
    unnoticed = "port_value: 8112}}, health_check_config: {disable_active_health_check: true}}"
    with door.edited(clusters=[("port_value: 8102}}}", unnoticed)]):
        answers = [client.ask("POST", COMPLETIONS, ["complete_code"]) for _ in range(10)]
    assert {(answer.status, answer.json()["name"]) for answer in answers} == {(200, "ai_gateway-1")}
    assert 2 in {door.log_line(answer.request_id)["attempts"] for answer in answers}


@pytest.mark.parametrize(
    ("patience", "message", "reason", "details"),
    [
        ("timeout: 0.3s", "Backend timeout", "upstream_timeout", "response_timeout"),
        ("timeout: 0s\n        idle_timeout: 0.3s", "Backend timeout", "upstream_timeout", "stream_idle_timeout"),
        (
            "timeout: 0s\n        max_stream_duration: {max_stream_duration: 0.3s}",
            "Stream took too long",
            "stream_too_long",
            "max_duration_timeout",
        ),
    ],
    ids=["timeout", "idle", "duration"],
)
def test_a_backend_that_does_not_answer_in_time_is_a_timeout(
    door: Door, client: HttpClient, patience: str, message: str, reason: str, details: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are opened, but not accepted
        port = silent.getsockname()[1]
        unnoticed = f"port_value: {port}}}}}, health_check_config: {{disable_active_health_check: true}}}}"
        with door.edited([("timeout: 60s", patience)], [("port_value: 8131}}}", unnoticed)]):
            answer = client.ask("POST", "/sast/scan", ["security_scans"])
    assert answer.status == 504
    assert answer.json() == {"error": message, "detail": message, "reason": reason, "request_id": answer.request_id}
    assert door.log_line(answer.request_id)["details"] == details
