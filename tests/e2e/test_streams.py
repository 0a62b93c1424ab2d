"""Long answers and requests: server-sent events, WebSockets, uploads."""

import asyncio
import http.client
import json
import time
from typing import Any, Final

import aiohttp
import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient

CHAT: Final = "/ai/v2/chat/agent"
SOCKET: Final = "/duo-workflow/ws"
WORKFLOW: Final = ["duo_workflow_execute_workflow"]
EVENTS: Final = "/duo-workflow/v1/workflows/7/events"
STREAM: Final = {"accept": "text/event-stream"}
SHORT_TIMEOUT: Final = ("timeout: 90s", "timeout: 0.5s")


def events(body: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in body.decode().splitlines() if line.startswith("event: ")]


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", CHAT, ["duo_chat"]),
        ("POST", "/ai/v2/code/generations", ["generate_code"]),
        ("POST", "/ai/v1/prompts/chat/react", ["duo_classic_chat"]),
        ("POST", "/ai/v4/code/suggestions", ["complete_code"]),
        ("GET", EVENTS, WORKFLOW),
    ],
)
def test_server_sent_events_outlast_the_route_timeout(
    door: Door, client: HttpClient, method: str, path: str, scopes: list[str]
) -> None:
    with door.edited(routes=[SHORT_TIMEOUT]):
        answer = client.ask(method, f"{path}?events=4&interval=0.3", scopes, headers=STREAM)
    assert events(answer.body) == ["echo", "tick", "tick", "tick"]
    assert answer.headers["content-type"] == "text/event-stream"


def test_the_route_timeout_applies_to_requests_that_do_not_stream(door: Door, client: HttpClient) -> None:
    with door.edited(routes=[SHORT_TIMEOUT]), pytest.raises(http.client.IncompleteRead) as cut:
        client.ask("POST", "/ai/v2/code/completions?events=4&interval=0.3", ["complete_code"], headers=STREAM)
    assert events(cut.value.partial) in (["echo"], ["echo", "tick"])


def test_a_stream_that_falls_silent_is_cut(door: Door, client: HttpClient) -> None:
    started = time.monotonic()
    with door.edited(routes=[("idle_timeout: 120s", "idle_timeout: 0.5s")]), pytest.raises(http.client.IncompleteRead):
        client.ask("POST", f"{CHAT}?events=2&interval=20", ["duo_chat"], headers=STREAM)
    assert time.monotonic() - started < 10


def test_no_stream_is_open_for_longer_than_its_maximum(door: Door, client: HttpClient) -> None:
    with (
        door.edited(routes=[("max_stream_duration: 3600s", "max_stream_duration: 0.7s")]),
        pytest.raises(http.client.IncompleteRead) as cut,
    ):
        client.ask("POST", f"{CHAT}?events=100&interval=0.2", ["duo_chat"], headers=STREAM)
    assert "tick" in events(cut.value.partial)


def test_a_websocket_carries_messages_both_ways(door: Door, client: HttpClient) -> None:
    echo, answers = asyncio.run(_talk(door.plain, client.headers(SOCKET, WORKFLOW)))
    assert (echo["method"], echo["path"]) == ("GET", "/ws?a=b")
    assert dict(echo["headers"])["x-gitlab-authorized-unit-primitive"] == WORKFLOW[0]
    assert answers == ["one", "two"]


def test_the_connection_header_of_a_websocket_does_not_list_the_identity(door: Door, client: HttpClient) -> None:
    """2026-11-22: a proxy before the backend would have removed the headers that Connection lists (RFC 9110, 7.6.1)."""
    listed = {"connection": "Upgrade, x-gitlab-authorized-instance-id"}
    echo, answers = asyncio.run(_talk(door.plain, client.headers(SOCKET, WORKFLOW, overrides=listed)))
    headers = dict(echo["headers"])
    assert (headers["connection"], headers["upgrade"].lower()) == ("upgrade", "websocket")
    assert headers["x-gitlab-authorized-instance-id"] == headers["x-gitlab-instance-id"]
    assert answers == ["one", "two"]


@pytest.mark.parametrize("listed", [None, "keep-alive, x-gitlab-authorized-instance-id"])
def test_an_ordinary_request_has_no_connection_header(client: HttpClient, listed: str | None) -> None:
    seen = client.ask("POST", CHAT, ["duo_chat"], headers={"connection": listed}).echoed()
    assert seen["x-gitlab-authorized-instance-id"] == seen["x-gitlab-instance-id"]
    assert not {"connection", "upgrade"} & seen.keys()


def test_a_websocket_is_not_open_for_longer_than_its_maximum(door: Door, client: HttpClient) -> None:
    with door.edited(routes=[("max_stream_duration: 3600s", "max_stream_duration: 0.7s")]):
        closed = asyncio.run(_wait_for_the_end(door.plain, client.headers(SOCKET, WORKFLOW)))
    assert closed in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}


@pytest.mark.parametrize(("scopes", "status"), [(None, 401), (["duo_chat"], 403)], ids=["no token", "other scope"])
def test_a_refused_websocket_is_never_opened(
    door: Door, client: HttpClient, scopes: list[str] | None, status: int
) -> None:
    with door.no_request_at_backends(), pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        asyncio.run(_talk(door.plain, client.headers(SOCKET, scopes)))
    assert refused.value.status == status


def test_an_upload_reaches_the_backend_while_it_is_being_sent(door: Door, client: HttpClient) -> None:
    path = "/observability/v1/traces"
    before = door.requests_seen()
    connection = http.client.HTTPConnection("127.0.0.1", door.plain, timeout=20)
    connection.putrequest("POST", path)
    for name, value in client.headers(path, ["observability_all"]).items():
        connection.putheader(name, value)
    connection.putheader("content-length", str(2 * 1_000_000))
    connection.endheaders()
    connection.send(b"a" * 1_000_000)
    door.wait_until(lambda: door.requests_seen() == before + 1, "the first half at the backend")
    connection.send(b"b" * 1_000_000)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["body_bytes"]) == (200, 2_000_000)
    connection.close()


def test_a_refused_upload_is_not_read(door: Door, client: HttpClient) -> None:
    with door.no_request_at_backends():
        answer = client.ask("POST", "/observability/v1/traces", ["duo_chat"], body=b"a" * 20_000)
    assert answer.status == 403


async def _talk(port: int, headers: dict[str, str]) -> tuple[Any, list[str]]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.ws_connect(f"http://127.0.0.1:{port}{SOCKET}?a=b", headers=headers) as websocket,
    ):
        echo = json.loads(await websocket.receive_str())
        answers = []
        for text in ("one", "two"):
            await websocket.send_str(text)
            answers.append(await websocket.receive_str())
        return echo, answers


async def _wait_for_the_end(port: int, headers: dict[str, str]) -> aiohttp.WSMsgType:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.ws_connect(f"http://127.0.0.1:{port}{SOCKET}", headers=headers) as websocket,
    ):
        await websocket.receive_str()
        return (await websocket.receive(timeout=10)).type
