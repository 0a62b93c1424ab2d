"""The service over real gRPC: every kind of answer, hostile messages, health, and the end of a server."""

import os
import random
import socket
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.deciding._proto.external_auth_pb2 import CheckRequest, CheckResponse
from authz.deciding.check import Check
from authz.server.addresses import AddressUnusableError
from authz.server.health import SERVICE
from authz.server.server import Server
from tests.support.integration.engine import CHECK, SECONDS, WIDE, echo, serving
from tests.support.minting import Minter, client_headers, request
from tests.support.shipped import check_by, load_shipped


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """The heart with the shipped policy, at a clock that stands still; a bug of its own fails the test."""
    return check_by(load_shipped(tmp_path_factory.mktemp("shipped")).judge)


@pytest.fixture(scope="module", params=["TCP", "Unix socket"])
def channel(
    request: pytest.FixtureRequest, check: Check, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[grpc.Channel]:
    address = "127.0.0.1:0" if request.param == "TCP" else f"unix:{tmp_path_factory.mktemp('s')}/a.sock"
    with serving(check, address) as served, grpc.insecure_channel(served.address) as opened:
        yield opened


def ask(channel: grpc.Channel, message: bytes, path: str = CHECK, metadata: tuple[tuple[str, str], ...] = ()) -> bytes:
    call = channel.unary_unary(path, bytes, bytes)
    answer: bytes = call(message, timeout=SECONDS, metadata=metadata)
    return answer


def refusal(channel: grpc.Channel, message: bytes, path: str = CHECK, **options: tuple[tuple[str, str], ...]) -> object:
    """Return the code of an RPC that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, message, path, **options)
    return caught.value.code()


def asked(
    path: str = "/ai/v2/code/completions",
    *,
    method: str = "POST",
    token: str | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> bytes:
    return request(path, method=method, headers=client_headers(token or Minter().token(), overrides=overrides))


KINDS: Final = {
    "allowed": asked(),
    "public": asked("/ai/monitoring/healthz", method="GET"),
    "refused": asked(token="a.b.c"),
    "refused, of gRPC": asked(method="GET", overrides={"content-type": "application/grpc+proto"}),
    "failed": b"\xff",
}


@pytest.mark.parametrize("message", KINDS.values(), ids=KINDS.keys())
def test_an_answer_arrives_as_the_check_gives_it(channel: grpc.Channel, check: Check, message: bytes) -> None:
    """What each answer holds, to the letter, is in the decision tables (tests/cases)."""
    assert ask(channel, message) == check(message)


def with_headers(headers: Mapping[str, str]) -> bytes:
    return request(headers={**client_headers(Minter().token()), **headers})


HOSTILE: Final = {
    "nothing": b"",
    "no request": CheckRequest(
        attributes={"context_extensions": {"backend_service": "ai_gateway"}}
    ).SerializeToString(),
    "no path": request(""),
    "no method": request(method=""),
    "10,000 headers": with_headers({f"x-{number}": "" for number in range(10_000)}),
    "a megabyte header": with_headers({"x-large": "a" * 1024 * 1024}),
    "a megabyte token": request(token="a" * 1024 * 1024),
    "a megabyte path": request("/ai/" + "a" * 1024 * 1024),
    "a value that is not UTF-8": with_headers({"x-text": "abcdef"}).replace(b"abcdef", b"ab\xff\xfeef"),
    "a path that is not UTF-8": request("/ai/abcdef").replace(b"abcdef", b"ab\xff\xfeef"),
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "groups without an end": b"\x0b" * 1_000,
    "a healthy request cut short": asked()[:-1],
    "a healthy request and a stray byte": asked() + b"\x07",
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_denied_and_the_server_lives(channel: grpc.Channel, message: bytes) -> None:
    assert_denied(ask(channel, message))
    assert CheckResponse.FromString(ask(channel, asked())).status.code == 0


def assert_denied(answer: bytes) -> None:
    response = CheckResponse.FromString(answer)
    assert response.status.code != 0
    assert response.denied_response.status.code >= 400
    assert response.dynamic_metadata["outcome"] == "denied"


def test_random_bytes_are_denied(channel: grpc.Channel) -> None:
    dice = random.Random(2)  # noqa: S311  a seed, so that a failure repeats
    for _ in range(300):
        assert_denied(ask(channel, dice.randbytes(dice.randrange(400))))


def test_a_healthy_request_with_a_damaged_token_is_never_allowed(channel: grpc.Channel) -> None:
    """Bits flip in the token alone: elsewhere a flip may leave a request that is as good as the first."""
    dice, token = random.Random(3), Minter().token()  # noqa: S311  as above
    message = asked(token=token)
    start = message.index(token.encode())
    for _ in range(300):
        damaged = bytearray(message)
        damaged[start + dice.randrange(len(token))] ^= 1 << dice.randrange(8)
        assert_denied(ask(channel, bytes(damaged)))


def test_a_message_over_4_mib_never_reaches_the_check_and_the_server_lives(channel: grpc.Channel) -> None:
    assert refusal(channel, bytes(4 * 1024 * 1024 + 1)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert CheckResponse.FromString(ask(channel, asked())).status.code == 0


def test_oversized_metadata_never_reach_the_check_and_the_server_lives(channel: grpc.Channel) -> None:
    oversized = (("x-large", "a" * 64 * 1024),)
    assert refusal(channel, asked(), metadata=oversized) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert CheckResponse.FromString(ask(channel, asked())).status.code == 0


@pytest.mark.parametrize("path", [f"/{SERVICE}/Other", "/envoy.service.auth.v2.Authorization/Check", "/", "/Check"])
def test_an_unknown_method_is_unimplemented(channel: grpc.Channel, path: str) -> None:
    assert refusal(channel, asked(), path) is grpc.StatusCode.UNIMPLEMENTED


def test_many_requests_at_once_are_each_answered_as_if_alone(channel: grpc.Channel) -> None:
    kinds = list(KINDS.values())
    alone = [ask(channel, message) for message in kinds]
    with ThreadPoolExecutor(16) as callers:
        assert list(callers.map(lambda number: ask(channel, kinds[number % 5]), range(400))) == alone * 80


@pytest.mark.parametrize("service", ["", SERVICE])
def test_a_server_that_serves_says_so(channel: grpc.Channel, service: str) -> None:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def unstarted() -> Server:
    return Server(echo, WIDE, lambda: None, lambda: None)


def test_one_server_listens_on_several_addresses(tmp_path: Path) -> None:
    addresses = ["127.0.0.1:0", f"unix:{tmp_path}/a.sock", "localhost:0"]
    with serving(echo, *addresses) as served:
        bound = served.addresses
        assert bound[1] == addresses[1]
        assert not any(address.endswith(":0") for address in bound)
        for address in bound:
            with grpc.insecure_channel(address) as channel:
                assert ask(channel, b"x") == b"x"


def test_a_sockets_file_is_for_owner_and_group_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with serving(echo, f"unix:{tmp_path}/a.sock"):
            assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o660
            assert os.umask(0) == 0, "the process has its own umask again"
    finally:
        os.umask(before)


def test_where_one_address_is_taken_none_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressUnusableError, match=f"cannot listen on {address}: another process listens there"):
            unstarted().start([f"unix:{tmp_path}/a.sock", address])
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError, match=r"refused|No such file"):
        probe.connect(f"{tmp_path}/a.sock")


def test_two_servers_never_share_an_address(tmp_path: Path) -> None:
    with serving(echo, "127.0.0.1:0", f"unix:{tmp_path}/a.sock") as served:
        for address in served.addresses:
            with pytest.raises(AddressUnusableError):
                unstarted().start([address])
            with grpc.insecure_channel(address) as channel:
                assert ask(channel, b"x") == b"x", "the first one goes on"
