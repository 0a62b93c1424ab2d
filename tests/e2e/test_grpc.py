"""gRPC clients can make unary and streaming calls, and refusals have a gRPC status."""

import json
import time
from typing import Final

import grpc
import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import Metadata, grpc_client
from tests.support.e2e.http_client import HttpClient

SERVICE: Final = "/DuoWorkflow"
TOKEN: Final = f"{SERVICE}/GenerateToken"
WORKFLOW: Final = f"{SERVICE}/ExecuteWorkflow"


def metadata(client: HttpClient, *scopes: str, issuer: str = "customers-dot") -> Metadata:
    return tuple(client.headers(SERVICE, list(scopes) or None, issuer).items())


def test_a_unary_call_reaches_the_backend_under_its_own_name(door: Door, client: HttpClient) -> None:
    with grpc_client(door.plain) as calls:
        answer = calls.call(TOKEN, b"question", metadata(client, "duo_workflow_execute_workflow"))
    seen = json.loads(answer)
    assert (seen["path"], seen["body_bytes"]) == (TOKEN, len(b"question"))
    assert dict(seen["metadata"])["x-gitlab-authorized-unit-primitive"] == "duo_workflow_execute_workflow"


def test_a_stream_carries_single_messages_both_ways(door: Door, client: HttpClient) -> None:
    with grpc_client(door.plain) as calls:
        stream = calls.stream(WORKFLOW, metadata(client, "duo_workflow_execute_workflow"))
        assert json.loads(stream.receive() or b"")["path"] == WORKFLOW
        for message in (b"one", b"two", b"three"):
            stream.send(message)
            assert stream.receive() == message
        stream.close()
        assert stream.receive() is None
        assert stream.code() is grpc.StatusCode.OK


def test_a_stream_lasts_until_the_clients_deadline_not_the_routes(door: Door, client: HttpClient) -> None:
    with door.edited(routes=[("timeout: 60s", "timeout: 0.2s")]), grpc_client(door.plain) as calls:
        started = time.monotonic()
        stream = calls.stream(WORKFLOW, metadata(client, "duo_workflow_execute_workflow"), seconds=1.2)
        assert stream.receive()
        with pytest.raises(grpc.RpcError):
            stream.receive()
        assert time.monotonic() - started > 1


@pytest.mark.parametrize(
    ("method", "scopes", "code", "message"),
    [
        (TOKEN, [], grpc.StatusCode.UNAUTHENTICATED, "No authorization header presented"),
        (
            TOKEN,
            ["complete_code"],
            grpc.StatusCode.PERMISSION_DENIED,
            "Unauthorized to access duo_agent_platform",
        ),
        (f"{SERVICE}/NoSuchMethod", ["duo_chat"], grpc.StatusCode.NOT_FOUND, "Not found"),
        ("/no.Such/Service", ["duo_chat"], grpc.StatusCode.NOT_FOUND, "Not found"),
    ],
    ids=["no token", "other scope", "unknown method", "unknown service"],
)
def test_a_refused_call_has_a_grpc_status(
    door: Door, client: HttpClient, method: str, scopes: list[str], code: grpc.StatusCode, message: str
) -> None:
    with grpc_client(door.plain) as calls, door.no_request_at_backends():
        assert calls.refusal(method, metadata(client, *scopes)) == (code, message)


def test_a_user_token_calls_no_backend_but_its_issuers(door: Door, client: HttpClient) -> None:
    mine = metadata(client, "duo_workflow_execute_workflow", issuer="ai-gateway")
    with grpc_client(door.plain) as calls, door.no_request_at_backends():
        assert calls.refusal(TOKEN, mine) == (grpc.StatusCode.UNAUTHENTICATED, "Forbidden by auth provider")


def test_a_call_of_a_dead_backend_is_unavailable(door: Door, client: HttpClient) -> None:
    with door.edited(clusters=[("port_value: 8113", "port_value: 8114")]), grpc_client(door.plain) as calls:
        door.wait_until(lambda: door.envoy.healthy("duo_workflow_service_grpc") == 0, "no gRPC backend")
        refusal = calls.refusal(TOKEN, metadata(client, "duo_workflow_execute_workflow"))
    assert refusal == (grpc.StatusCode.UNAVAILABLE, "Backend unavailable")
