"""The sample backend returns exactly the request that reached it, over every protocol of the door."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dev.process import Child, ProcessGroup

BACKEND = (sys.executable, "-m", "dev.backend", "--port", "0", "--grpc-port", "0")


@dataclass(frozen=True, slots=True)
class Running:
    child: Child
    http: int
    grpc: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ProcessGroup]:
    with ProcessGroup(tmp_path / "logs") as started:
        yield started


def start(processes: ProcessGroup, name: str) -> Running:
    child = processes.start(name, (*BACKEND, "--name", name))
    processes.wait_until(lambda: any("listens on" in line for line in child.last_lines()), name, 20)
    words = child.last_lines()[-1].split()
    return Running(child, int(words[words.index("http") + 1]), int(words[words.index("grpc") + 1]))


@pytest.fixture
def backend(processes: ProcessGroup) -> Running:
    return start(processes, "sample-1")


def test_the_echo_has_method_and_path_as_they_were_sent(backend: Running) -> None:
    with socket.create_connection(("127.0.0.1", backend.http)) as client:
        client.sendall(
            b"PURGE //a/%2e%2e/b?x=1&&y HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
        )
        with client.makefile("rb") as answer:
            body = answer.read().partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {
        "name": "sample-1",
        "method": "PURGE",
        "path": "//a/%2e%2e/b?x=1&&y",
        "headers": [["host", "h"], ["x-a", "1"], ["x-a", "2"], ["connection", "close"]],
        "body_bytes": 0,
    }


def test_a_streamed_upload_is_counted(backend: Running) -> None:
    def upload() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(65_536)

    answer = httpx.post(f"{backend.url}/v1/traces", content=upload(), headers={"Content-Encoding": "gzip"})
    assert answer.json()["body_bytes"] == 64 * 65_536


def test_a_token_of_sixteen_kibibytes_fits(backend: Running) -> None:
    token = "t" * 16_384
    headers = httpx.get(backend.url, headers={"Authorization": f"Bearer {token}"}).json()["headers"]
    assert ["authorization", f"Bearer {token}"] in headers


def test_health_counts_requests_but_not_itself(backend: Running) -> None:
    for _ in range(3):
        httpx.get(f"{backend.url}/seen")
        seen = httpx.get(f"{backend.url}/health").json()
    assert seen == {"name": "sample-1", "requests": 3}


def test_a_backend_with_one_slot_handles_one_request_at_a_time(processes: ProcessGroup) -> None:
    async def ask(session: aiohttp.ClientSession, path: str) -> float:
        async with session.get(path) as answer:
            await answer.read()
        return asyncio.get_running_loop().time()

    async def both(url: str) -> tuple[float, float, float]:
        async with aiohttp.ClientSession(url) as session:
            one, other, health = await asyncio.gather(*(ask(session, path) for path in ("/", "/", "/health")))
            return one, other, health

    child = processes.start("small", (*BACKEND, "--name", "small", "--slots", "1", "--service-time", "0.5"))
    processes.wait_until(lambda: any("listens on" in line for line in child.last_lines()), "small", 20)
    one, other, health = asyncio.run(both(f"http://127.0.0.1:{child.last_lines()[-1].split()[4]}"))
    assert abs(one - other) > 0.4
    assert health < min(one, other)


def test_events_are_as_many_and_as_far_apart_as_asked(backend: Running) -> None:
    url = f"{backend.url}/events?events=3&interval=0.2"
    answer = httpx.post(url, headers={"Accept": "text/event-stream"}, content=b"four")
    echo, *ticks = answer.text.strip().split("\n\n")
    assert answer.headers["content-type"] == "text/event-stream"
    assert echo.startswith("event: echo\ndata: ")
    assert json.loads(echo.partition("data: ")[2])["body_bytes"] == 4
    assert ticks == ['event: tick\ndata: {"number": 2}', 'event: tick\ndata: {"number": 3}']
    assert answer.elapsed.total_seconds() >= 0.4


@pytest.mark.parametrize("query", ["events=0", "events=many", "interval=-1", "interval=nan", "interval=inf"])
def test_an_event_stream_with_a_bad_pace_is_refused(backend: Running, query: str) -> None:
    assert httpx.get(f"{backend.url}/?{query}", headers={"Accept": "text/event-stream"}).status_code == 400


def test_a_websocket_gets_the_echo_first_and_then_its_own_text(backend: Running) -> None:
    async def talk() -> list[str]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{backend.url}/ws?a=1", headers={"X-Sent": "yes"}) as socket_,
        ):
            greeting = await socket_.receive_str()
            await socket_.send_str("one")
            await socket_.send_str("two")
            return [greeting, await socket_.receive_str(), await socket_.receive_str()]

    greeting, *repeated = asyncio.run(talk())
    assert json.loads(greeting)["path"] == "/ws?a=1"
    assert ["x-sent", "yes"] in json.loads(greeting)["headers"]
    assert repeated == ["one", "two"]


def test_any_unary_grpc_method_answers_with_path_and_metadata(backend: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{backend.grpc}") as channel:
        call = channel.unary_unary("/DuoWorkflow/GenerateToken", None, None)
        seen = json.loads(call(b"12345", metadata=(("x-sent", "y" * 16_384),), timeout=10))
    assert (seen["name"], seen["method"], seen["path"]) == (
        "sample-1",
        "POST",
        "/DuoWorkflow/GenerateToken",
    )
    assert ["x-sent", "y" * 16_384] in seen["metadata"]
    assert seen["body_bytes"] == 5


def test_execute_workflow_sends_the_echo_first_and_then_each_message(backend: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{backend.grpc}") as channel:
        call = channel.stream_stream("/DuoWorkflow/ExecuteWorkflow", None, None)
        greeting, *repeated = call(iter([b"one", b"two"]), timeout=10)
    assert json.loads(greeting)["path"] == "/DuoWorkflow/ExecuteWorkflow"
    assert repeated == [b"one", b"two"]


def test_grpc_health_is_serving_and_not_counted(backend: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{backend.grpc}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert httpx.get(f"{backend.url}/health").json()["requests"] == 0


def test_sigterm_ends_an_open_event_stream_cleanly(backend: Running) -> None:
    url = f"{backend.url}/?events=1000&interval=60"
    with httpx.stream("GET", url, headers={"Accept": "text/event-stream"}, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: echo"
        backend.child.process.send_signal(signal.SIGTERM)
        assert not [line for line in lines if "tick" in line]
    assert backend.child.process.wait(10) == 0


def test_a_port_in_use_is_one_clear_line(backend: Running, processes: ProcessGroup) -> None:
    second = processes.start(
        "sample-2", (sys.executable, "-m", "dev.backend", "--name", "b", "--port", str(backend.http))
    )
    assert second.process.wait(20) == 1
    (line,) = second.last_lines()
    assert "address already in use" in line
    assert str(backend.http) in line


def test_several_backends_share_a_process_and_none_of_their_counts(processes: ProcessGroup) -> None:
    child = processes.start("several", (sys.executable, "-m", "dev.backend", "--sample", "a:0:0", "--sample", "b:0"))
    ready = re.compile(r"^(\w) listens on http (\d+)", re.MULTILINE)
    processes.wait_until(lambda: len(ready.findall(child.log.read_text())) > 1, "both", 20)
    ports = dict(ready.findall(child.log.read_text()))
    assert httpx.get(f"http://127.0.0.1:{ports['a']}/x").json()["name"] == "a"
    counts = {name: httpx.get(f"http://127.0.0.1:{ports[name]}/health").json() for name in ("a", "b")}
    assert counts == {"a": {"name": "a", "requests": 1}, "b": {"name": "b", "requests": 0}}
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(10) == 0


def test_a_backend_without_a_name_is_refused(processes: ProcessGroup) -> None:
    child = processes.start("nameless", (sys.executable, "-m", "dev.backend", "--port", "0"))
    assert child.process.wait(20) == 2
    assert child.last_lines()[-1].endswith("error: give --name and --port, or --sample for each backend")
