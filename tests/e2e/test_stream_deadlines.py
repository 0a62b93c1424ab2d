"""A stream ends when the token that opened it expires: SSE, WebSocket and gRPC, with the reason in the access log."""

import asyncio
import http.client
import socket
import time
import uuid
from typing import Final

import aiohttp
import grpc
import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import grpc_client
from tests.support.e2e.http_client import HttpClient

CHAT: Final = "/ai/v1/chat/agent"
SOCKET: Final = "/duo-workflow/ws"
EXECUTE: Final = "/DuoWorkflow/ExecuteWorkflow"
WORKFLOW: Final = ["duo_workflow_execute_workflow"]
LIFE: Final = 3
"""Seconds until the token expires."""
ENDED: Final = "upstream_max_stream_duration_reached"


def expiring(client: HttpClient, path: str, scopes: list[str], request_id: str, **more: str) -> dict[str, str]:
    """Return the headers of a request whose token expires soon."""
    claims = {"exp": int(time.time()) + LIFE}
    return client.headers(path, scopes, claims=claims, overrides={"x-request-id": request_id, **more})


def seconds_since(started: float) -> float:
    return time.monotonic() - started


@pytest.fixture
def request_id() -> str:
    return uuid.uuid4().hex


def test_server_sent_events_end_with_the_token(door: Door, client: HttpClient, request_id: str) -> None:
    started = time.monotonic()
    claims = {"exp": int(time.time()) + LIFE}
    headers = {"accept": "text/event-stream", "x-request-id": request_id}
    with pytest.raises(http.client.IncompleteRead) as cut:
        client.ask("POST", f"{CHAT}?events=200&interval=0.1", ["duo_chat"], claims=claims, headers=headers)
    assert b"event: tick" in cut.value.partial
    assert LIFE - 1.5 < seconds_since(started) < LIFE + 2
    assert door.log_line(request_id)["details"] == ENDED


def test_a_websocket_ends_with_the_token(door: Door, client: HttpClient, request_id: str) -> None:
    started = time.monotonic()
    closed = asyncio.run(_wait_for_the_end(door.plain, expiring(client, SOCKET, WORKFLOW, request_id)))
    assert closed in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
    assert LIFE - 1.5 < seconds_since(started) < LIFE + 2
    assert door.log_line(request_id)["details"] == ENDED


def test_a_grpc_stream_ends_with_the_token(door: Door, client: HttpClient, request_id: str) -> None:
    started = time.monotonic()
    metadata = tuple(expiring(client, EXECUTE, WORKFLOW, request_id).items())
    with grpc_client(door.plain) as calls:
        stream = calls.stream(EXECUTE, metadata)
        assert stream.receive()
        stream.send(b"one")
        assert stream.receive() == b"one"
        with pytest.raises(grpc.RpcError):
            stream.receive()
    assert LIFE - 1.5 < seconds_since(started) < LIFE + 2
    assert door.log_line(request_id)["details"] == ENDED


def test_a_longer_token_leaves_a_stream_to_the_route(client: HttpClient) -> None:
    answer = client.ask("POST", f"{CHAT}?events=3&interval=0.1", ["duo_chat"], headers={"accept": "text/event-stream"})
    assert answer.body.count(b"event: tick") == 2


def test_a_client_cannot_lengthen_its_stream(client: HttpClient, request_id: str) -> None:
    claims = {"exp": int(time.time()) + LIFE}
    more = {
        "accept": "text/event-stream",
        "x-request-id": request_id,
        "x-envoy-upstream-stream-duration-ms": "3600000",
        "grpc-timeout": "1H",
    }
    started = time.monotonic()
    with pytest.raises(http.client.IncompleteRead):
        client.ask("POST", f"{CHAT}?events=200&interval=0.1", ["duo_chat"], claims=claims, headers=more)
    assert seconds_since(started) < LIFE + 2


def test_an_answer_that_has_not_begun_when_the_token_ends_is_a_timeout(door: Door, client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are opened, but not accepted
        port = silent.getsockname()[1]
        unnoticed = f"port_value: {port}}}}}, health_check_config: {{disable_active_health_check: true}}}}"
        with door.edited(clusters=[("port_value: 8101}}}", unnoticed), ("port_value: 8102}}}", unnoticed)]):
            answer = client.ask("POST", CHAT, ["duo_chat"], claims={"exp": int(time.time()) + LIFE})
    assert (answer.status, answer.json()["reason"]) == (504, "stream_too_long")
    assert door.log_line(answer.request_id)["details"] == ENDED


def test_the_backend_does_not_see_when_its_stream_ends(client: HttpClient) -> None:
    assert "x-envoy-upstream-stream-duration-ms" not in client.ask("POST", CHAT, ["duo_chat"]).echoed()


async def _wait_for_the_end(port: int, headers: dict[str, str]) -> aiohttp.WSMsgType:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.ws_connect(f"http://127.0.0.1:{port}{SOCKET}", headers=headers) as websocket,
    ):
        await websocket.receive_str()
        return (await websocket.receive()).type
