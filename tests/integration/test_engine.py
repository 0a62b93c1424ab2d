"""The gRPC server gives each call one answer or a status, whatever its client does, and never an allow by mistake."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server.call import OpenCall
from authz.server.health import SERVICE
from tests.support.integration.engine import (
    CHECK,
    HEALTH,
    SECONDS,
    Gate,
    RawClient,
    Served,
    ask,
    echo,
    framed,
    serving,
    until,
)

INVALID_ARGUMENT, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL = 3, 4, 12, 13


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Run a server that echoes."""
    with serving(echo) as served:
        yield served


@pytest.fixture(scope="module")
def channel(served: Served) -> Iterator[grpc.Channel]:
    """Connect with gRPC's own client."""
    with grpc.insecure_channel(served.address) as channel:
        yield channel


def refusal(call: Callable[[], object]) -> grpc.StatusCode:
    """Return the code of an RPC that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def answers_and_is_idle(served: Served) -> bool:
    """Whether no call is left and the server answers."""
    with grpc.insecure_channel(served.address) as channel:
        return ask(channel, b"ping") == b"ping" and until(served.is_idle)


def test_many_calls_at_once_over_several_connections_each_get_their_own_answer(served: Served) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(served.address, options=options) for _ in range(4)]
    calls = [channels[number % 4].unary_unary(CHECK, bytes, bytes) for number in range(2_000)]
    answers = [call.future(b"%d" % number, timeout=SECONDS) for number, call in enumerate(calls)]
    assert [answer.result() for answer in answers] == [b"%d" % number for number in range(2_000)]
    for channel in channels:
        channel.close()
    assert until(served.is_idle)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), BaseException("a panic")], ids=repr)
def test_a_check_that_raises_is_an_internal_error(error: BaseException) -> None:
    def broken(_message: bytes) -> bytes:
        raise error

    with serving(broken) as served, grpc.insecure_channel(served.address) as channel:
        assert refusal(lambda: ask(channel, b"x")) is grpc.StatusCode.INTERNAL
        assert refusal(lambda: ask(channel, b"x")) is grpc.StatusCode.INTERNAL, "it goes on"
        assert until(served.is_idle)


def test_an_empty_answer_is_never_sent() -> None:
    """Envoy reads an empty CheckResponse as an allow."""
    with serving(lambda _message: b"") as served, grpc.insecure_channel(served.address) as channel:
        assert refusal(lambda: ask(channel, b"x")) is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_a_program_ends_the_run(error: type[BaseException]) -> None:
    def ending(_message: bytes) -> bytes:
        raise error

    with serving(ending) as served, grpc.insecure_channel(served.address) as channel:
        waiting = channel.unary_unary(CHECK, bytes, bytes).future(b"x", timeout=SECONDS)
        served.thread.join(SECONDS)
        assert [type(raised) for raised in served.raised] == [error]
        served.raised.clear()
        assert not waiting.done()


def test_a_message_of_4_mib_is_answered(channel: grpc.Channel) -> None:
    call = channel.unary_unary(CHECK, bytes, len)
    assert call(bytes(4 * 1024 * 1024 - 1), timeout=SECONDS) == 4 * 1024 * 1024 - 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_larger_message_is_refused_compressed_or_not(
    served: Served, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    call = channel.unary_unary(CHECK, bytes, bytes)
    code = refusal(lambda: call(bytes(64 * 1024 * 1024), timeout=SECONDS, compression=compression))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answers_and_is_idle(served)


def test_a_call_without_a_message_is_refused(served: Served) -> None:
    with RawClient(served.address) as client:
        answer = client.answer(client.begin(ends=True))
    assert (answer.status, answer.body) == (INVALID_ARGUMENT, b"")
    assert answers_and_is_idle(served)


def exchanges() -> int:
    """Return the number of call objects in this process's memory."""
    return sum(isinstance(thing, OpenCall) for thing in gc.get_objects())


MALFORMED = {
    "a length beyond the end": b"\0\0\0\0\x09x",
    "a flag that is none": b"\x07\0\0\0\x01x",
    "compressed without a word": b"\x01\0\0\0\x01x",
    "half a frame's head": b"\0\0",
    "a length of 4 GiB": b"\0\xff\xff\xff\xffx",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_frame_is_refused_and_the_server_goes_on(served: Served, data: bytes) -> None:
    with RawClient(served.address) as client:
        answer = client.answer(client.begin_with(data))
    assert answer.status != 0
    assert answer.body == b""
    assert answers_and_is_idle(served)


def test_only_the_first_of_two_messages_in_a_call_is_answered(served: Served) -> None:
    with RawClient(served.address) as client:
        answer = client.answer(client.begin_with(framed(b"one") + framed(b"two")))
    assert (answer.status, answer.body) == (0, framed(b"one"))
    assert answers_and_is_idle(served)


def test_a_client_that_disconnects_during_a_call_leaves_no_state() -> None:
    gate = Gate()
    gate.open.set()
    with serving(gate) as served:
        for sent in (b"", b"\0", framed(b"a" * 1_000)[:-1], framed(b"all")):
            client = RawClient(served.address)
            for _ in range(50):
                client.send(client.begin(), sent, ends=False)
            client.close()
        assert answers_and_is_idle(served)
    assert set(gate.seen) <= {b"all", b"ping"}, "of no part was anything decided"


def test_endless_cancelled_calls_take_no_memory() -> None:
    before = exchanges()
    with serving(echo) as served, RawClient(served.address) as client:
        for _ in range(100):
            for stream in [client.begin() for _ in range(30)]:
                client.send(stream, framed(b"a" * 1_000)[:-1], ends=False)
                client.cancel(stream)
            client.settle()
        assert answers_and_is_idle(served)
        assert exchanges() <= before + 1, "the last one may still be at hand"


def test_a_call_that_is_cancelled_while_it_waits_is_not_decided() -> None:
    gate = Gate()
    with serving(gate) as served, RawClient(served.address) as client:
        first = client.begin_with(framed(b"first"))
        assert gate.entered.wait(SECONDS)
        client.cancel(client.begin_with(framed(b"second")))
        third = client.begin_with(framed(b"third"))
        client.settle()
        gate.open.set()
        assert [client.answer(stream).body for stream in (first, third)] == [framed(b"first"), framed(b"third")]
        assert until(served.is_idle)
    assert gate.seen == [b"first", b"third"]


def test_a_call_that_is_cancelled_just_before_its_turn_is_not_decided() -> None:
    """The first check blocks the loop until two more have arrived, the second until the third is cancelled."""
    gates = {b"first": Gate(), b"second": Gate()}
    others: list[bytes] = []

    def check(message: bytes) -> bytes:
        if message not in gates:
            others.append(message)
            return message
        return gates[message](message)

    with serving(check) as served, RawClient(served.address) as client:
        client.begin_with(framed(b"first"))
        assert gates[b"first"].entered.wait(SECONDS)
        second, third = client.begin_with(framed(b"second")), client.begin_with(framed(b"third"))
        client.settle()
        gates[b"first"].open.set()
        assert gates[b"second"].entered.wait(SECONDS)
        assert served.server.in_flight() >= 2
        client.cancel(third)
        client.settle()
        gates[b"second"].open.set()
        assert client.answer(second).body == framed(b"second")
        assert until(served.is_idle)
    assert others == []


def test_a_call_whose_deadline_passes_while_it_waits_is_not_decided() -> None:
    """Envoy sends its timeout; gRPC's core enforces it, also while the loop is busy."""
    gate = Gate()
    with serving(gate) as served, RawClient(served.address) as client:
        first = client.begin_with(framed(b"first"))
        assert gate.entered.wait(SECONDS)
        late = client.begin(timeout="50m")
        client.send(late, framed(b"late"))
        assert client.answer(late).status == DEADLINE_EXCEEDED
        gate.open.set()
        assert client.answer(first).body == framed(b"first")
        assert until(served.is_idle)
    assert gate.seen == [b"first"]


@pytest.mark.parametrize("path", [f"/{SERVICE}/Other", f"{CHECK}/", "/grpc.health.v1.Health/Watch", "/", "Check"])
def test_any_other_method_is_unimplemented(served: Served, path: str) -> None:
    with RawClient(served.address) as client:
        answer = client.answer(client.begin_with(framed(b""), path))
    assert (answer.status, answer.body) == (UNIMPLEMENTED, b"")


@pytest.mark.parametrize("message", [b"\x0a\x03any", b"\xff\xff", b"\x0a\xff"], ids=["unknown", "no protobuf", "cut"])
def test_the_health_of_an_unknown_service_is_not_found(channel: grpc.Channel, message: bytes) -> None:
    assert refusal(lambda: ask(channel, message, HEALTH)) is grpc.StatusCode.NOT_FOUND


def test_health_is_answered_before_checks_that_wait() -> None:
    """Each check takes longer than the loop answers in a row, so the loop polls its queue between two of them."""
    gate, answered = Gate(), threading.Event()
    order: list[bool] = []

    def slow(message: bytes) -> bytes:
        threading.Event().wait(0.01)
        order.append(answered.is_set())
        return gate(message)

    with serving(slow) as served, grpc.insecure_channel(served.address) as channel, ThreadPoolExecutor(1) as pool:
        call = channel.unary_unary(CHECK, bytes, bytes)
        checks = [call.future(b"1", timeout=SECONDS)]
        assert gate.entered.wait(SECONDS)
        checks += [call.future(b"%d" % number, timeout=SECONDS) for number in range(100)]
        health = pool.submit(
            health_pb2_grpc.HealthStub(channel).Check, health_pb2.HealthCheckRequest(), timeout=SECONDS
        )
        health.add_done_callback(lambda _: answered.set())
        gate.open.set()
        assert health.result(SECONDS).status == health_pb2.HealthCheckResponse.SERVING
        assert all(check.result(SECONDS) for check in checks)
    assert order[-1]


def test_it_sends_heartbeats_when_it_is_idle() -> None:
    with serving(echo) as served:
        assert until(lambda: len(served.beats) >= 8)


def test_it_sends_heartbeats_under_load(served: Served, channel: grpc.Channel) -> None:
    ends = threading.Event()

    def load() -> None:
        while not ends.is_set():
            ask(channel, b"x")

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        before = len(served.beats)
        assert until(lambda: len(served.beats) >= before + 8)
        ends.set()
        for finished in loads:
            finished.result(SECONDS)


def test_a_check_that_hangs_stops_the_heartbeats() -> None:
    gate = Gate()
    with serving(gate) as served, grpc.insecure_channel(served.address) as channel:
        waiting = channel.unary_unary(CHECK, bytes, bytes).future(b"x", timeout=SECONDS)
        assert gate.entered.wait(SECONDS)
        beats = len(served.beats)
        assert not until(lambda: len(served.beats) > beats, 0.7), "a beat comes every 0.2 s otherwise"
        gate.open.set()
        assert waiting.result() == b"x"
        assert until(lambda: len(served.beats) > beats)
