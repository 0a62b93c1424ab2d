"""The gRPC server refuses calls beyond its bounds at once, never decides them, and goes on serving."""

import resource
from collections import Counter

import grpc
import pytest

from authz.server.loop import Bounds
from tests.support.integration.engine import CHECK, HEALTH, SECONDS, Gate, RawClient, ask, echo, framed, serving, until

UNAVAILABLE = 14


def test_beyond_the_checks_in_flight_the_answer_is_unavailable_at_once() -> None:
    with serving(echo, bounds=Bounds(max_in_flight=2, max_age=SECONDS)) as served, RawClient(served.address) as client:
        held = [client.begin(), client.begin()]
        assert until(lambda: served.server.in_flight() == 2)
        beyond = client.begin()
        answer = client.answer(beyond)
        assert (answer.status, answer.body) == (UNAVAILABLE, b"")
        assert answer.headers["grpc-message"] == "too many checks in flight"
        assert len(served.refusals) == 1
        client.send(held[0], framed(b"one"))
        assert client.answer(held[0]).body == framed(b"one")
        assert until(lambda: served.server.in_flight() == 1)
        assert client.answer(client.begin_with(framed(b"two"))).body == framed(b"two"), "there is room again"
        assert len(served.refusals) == 1


def test_health_is_answered_when_checks_are_at_their_limit() -> None:
    with serving(echo, bounds=Bounds(max_in_flight=1, max_age=SECONDS)) as served, RawClient(served.address) as client:
        client.begin()
        assert until(lambda: served.server.in_flight() == 1)
        assert client.answer(client.begin_with(framed(b""), HEALTH)).status == 0


def test_too_many_other_calls_are_refused_and_checks_are_answered() -> None:
    with serving(echo) as served, RawClient(served.address) as client:
        for _ in range(64):
            client.begin(HEALTH)
        client.settle()
        assert client.answer(client.begin_with(framed(b""), HEALTH)).status == UNAVAILABLE
        assert client.answer(client.begin_with(framed(b"x"))).body == framed(b"x")
        assert served.refusals == [], "none of them was a check"


def test_a_check_that_has_waited_too_long_is_unavailable_and_not_decided() -> None:
    gate = Gate()
    with (
        serving(gate, bounds=Bounds(max_in_flight=10, max_age=0.0)) as served,
        grpc.insecure_channel(served.address) as channel,
    ):
        with pytest.raises(grpc.RpcError) as caught:
            ask(channel, b"x")
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.UNAVAILABLE,
            "the check waited too long",
        )
        assert len(served.refusals) == 1
        assert until(served.is_idle)
    assert gate.seen == []


def test_a_check_whose_message_never_comes_is_refused_when_it_is_too_old() -> None:
    with serving(echo, bounds=Bounds(max_in_flight=10, max_age=0.1)) as served, RawClient(served.address) as client:
        assert client.answer(client.begin()).status == UNAVAILABLE
        assert len(served.refusals) == 1
        assert client.answer(client.begin(HEALTH)).status == UNAVAILABLE
        assert len(served.refusals) == 1
        assert until(served.is_idle)


def test_while_a_check_hangs_others_wait_or_are_refused_and_all_get_an_answer() -> None:
    """The loop is blocked then. gRPC's core keeps some calls and cancels the others; Envoy retries both."""
    gate = Gate()
    with serving(gate, bounds=Bounds(max_in_flight=100, max_age=SECONDS)) as served:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(served.address, options=options) for _ in range(4)]
        calls = [channel.unary_unary(CHECK, bytes, bytes) for channel in channels]
        first = calls[0].future(b"first", timeout=SECONDS)
        assert gate.entered.wait(SECONDS)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        flood = [calls[number % 4].future(b"x" * 1_000, timeout=SECONDS) for number in range(4_000)]
        assert until(lambda: any(call.done() for call in flood)), "the core refuses while the loop hangs"
        gate.open.set()
        assert first.result() == b"first"
        codes = Counter(call.code() for call in flood)
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert len(gate.seen) == codes[grpc.StatusCode.OK] + 1, "what was refused was not decided"
        assert len(served.refusals) == codes[grpc.StatusCode.UNAVAILABLE]
        assert codes[grpc.StatusCode.UNAVAILABLE] > 0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024, (
            "in KiB, both ends of the calls"
        )
        for channel in channels:
            channel.close()
        assert until(served.is_idle)
