"""A stop of the gRPC server finishes the calls in flight and does not wait for idle connections; and failed starts."""

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server.addresses import AddressUnusableError
from authz.server.health import NOT_SERVING, SERVICE
from authz.server.server import Server
from tests.support.integration.engine import (
    CHECK,
    HEALTH,
    SECONDS,
    WIDE,
    Gate,
    RawClient,
    ask,
    echo,
    framed,
    serving,
    until,
)

FOR_EVER = 3_600.0
"""A grace longer than any test waits."""


def listens(address: str) -> bool:
    """Whether a connection is accepted."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port))):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("service", ["", SERVICE])
def test_a_draining_server_is_unhealthy_and_still_serves(service: str) -> None:
    with serving(echo) as served, grpc.insecure_channel(served.address) as channel:
        asked, health = health_pb2.HealthCheckRequest(service=service), health_pb2_grpc.HealthStub(channel)
        assert health.Check(asked, timeout=SECONDS).status == health_pb2.HealthCheckResponse.SERVING
        served.server.drain()
        assert health.Check(asked, timeout=SECONDS).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert ask(channel, b"x") == b"x"
        with grpc.insecure_channel(served.address) as another:
            assert ask(another, b"y") == b"y"


def test_a_stop_closes_the_listeners_first_and_then_finishes_what_is_in_flight() -> None:
    speak = threading.Event()

    def late(number: int) -> Iterator[bytes]:
        speak.wait(SECONDS)
        yield b"%d" % number

    with serving(echo) as served, grpc.insecure_channel(served.address) as channel:
        call = channel.stream_unary(CHECK, bytes, bytes)
        calls = [call.future(late(number), timeout=SECONDS) for number in range(8)]
        assert until(lambda: served.server.in_flight() == 8)
        served.server.stop(FOR_EVER)
        assert until(lambda: not listens(served.address))
        assert not until(lambda: not served.thread.is_alive(), 0.8), "connections alone are waited for less than that"
        assert served.server.in_flight() == 8
        speak.set()
        assert [answer.result() for answer in calls] == [b"%d" % number for number in range(8)]
        served.thread.join(SECONDS)
        assert not served.thread.is_alive()


def test_a_stop_answers_calls_that_have_arrived_but_are_not_accepted_yet() -> None:
    gate = Gate()
    with serving(gate) as served, RawClient(served.address) as client:
        client.begin_with(framed(b"first"))
        assert gate.entered.wait(SECONDS)
        for number in range(20):
            client.begin_with(framed(b"call %d" % number))
        client.begin_with(framed(b""), HEALTH)
        client.settle()
        served.server.stop(FOR_EVER)
        gate.open.set()
        came = client.rest()
    assert len(gate.seen) == 21
    assert all(framed(message) in came for message in [*gate.seen, NOT_SERVING])


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_a_connection_without_a_call_does_not_delay_a_stop(data: bytes) -> None:
    with serving(echo) as served:
        host, _, port = served.address.rpartition(":")
        with socket.create_connection((host, int(port))) as idle, grpc.insecure_channel(served.address) as channel:
            idle.sendall(data)
            assert ask(channel, b"x") == b"x"
            served.stop(FOR_EVER)


def test_an_http2_connection_that_stays_open_does_not_delay_a_stop() -> None:
    with serving(echo) as served, RawClient(served.address) as client:
        assert client.answer(client.begin_with(framed(b"x"))).body == framed(b"x")
        served.stop(FOR_EVER)
        client.rest()


def test_a_call_that_never_ends_delays_a_stop_by_its_grace_at_most() -> None:
    with serving(echo) as served, RawClient(served.address) as client:
        client.begin()
        assert until(lambda: served.server.in_flight() == 1)
        served.stop(0.1)
        client.rest()


def test_a_stop_before_the_run_ends_it_at_once() -> None:
    server = Server(echo, WIDE, lambda: None, lambda: None)
    (address,) = server.start(["127.0.0.1:0"])
    server.stop(FOR_EVER)
    server.run()
    assert not listens(address)


def test_a_signal_handler_may_stop_it() -> None:
    server = Server(echo, WIDE, lambda: None, lambda: None)
    server.start(["127.0.0.1:0"])
    before = signal.signal(signal.SIGUSR1, lambda *_: server.stop(FOR_EVER))
    try:
        threading.Timer(0.05, signal.raise_signal, [signal.SIGUSR1]).start()
        server.run()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_under_load_every_check_that_was_decided_is_answered_when_it_stops() -> None:
    """While it closes gRPC refuses calls as UNAVAILABLE or CANCELLED; none of these may have been decided."""
    seen: list[bytes] = []
    busy = threading.Event()
    answers: list[bytes] = []

    def counting(message: bytes) -> bytes:
        seen.append(message)
        if len(seen) == 200:
            busy.set()
        return message

    def load(address: str) -> None:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            while True:
                try:
                    answers.append(ask(channel, b"x"))
                except grpc.RpcError as error:
                    assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}  # noqa: PT017
                    return

    with serving(counting) as served:
        loads = [threading.Thread(target=load, args=[served.address]) for _ in range(4)]
        for thread in loads:
            thread.start()
        assert busy.wait(SECONDS)
        served.stop(FOR_EVER)
        for thread in loads:
            thread.join(SECONDS)
    assert len(answers) == len(seen)


def test_an_address_that_the_core_refuses_is_one_line_and_the_other_addresses_are_freed(tmp_path: Path) -> None:
    """Our own check does not notice a path that is too long."""
    long = f"unix:{tmp_path}/{'a' * 120}"
    with serving(echo) as other:
        pass
    with pytest.raises(AddressUnusableError, match=f"^cannot listen on {long}"):
        Server(echo, WIDE, lambda: None, lambda: None).start([other.address, long])
    assert not listens(other.address)


def test_a_port_is_free_again_at_once() -> None:
    with serving(echo) as first, grpc.insecure_channel(first.address) as channel:
        call = channel.unary_unary(CHECK, bytes, bytes)
        assert call(b"x", timeout=SECONDS) == b"x"
    with serving(echo, first.address) as second, grpc.insecure_channel(second.address) as channel:
        assert ask(channel, b"y") == b"y"
