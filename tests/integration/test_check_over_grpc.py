"""The service over real gRPC: every refusal to the letter, hostile messages, health, and the end of a server."""

import json
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
from authz.policy.load import load_policy
from authz.server.addresses import AddressUnusableError
from authz.server.health import SERVICE
from authz.server.server import Server
from tests.support.cases.case_file import POLICY
from tests.support.integration.engine import CHECK, SECONDS, WIDE, echo, serving
from tests.support.minting import INSTANCE, NOW, SEATS, USER, Minter, client_headers, request, write_keys
from tests.support.tiers import tier_of


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """The heart with the shipped policy, at a clock that stands still; a bug of its own fails the test."""
    keys = write_keys(tmp_path_factory.mktemp("keys"))
    policy = load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)

    def report(error: Exception) -> None:
        raise AssertionError("the check met a bug") from error

    return Check(policy.judge, lambda: float(NOW), report)


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


def minted(**claims: object) -> str:
    return Minter().token(claims=claims)


GATEWAY: Final = {"backend_service": "ai_gateway"}
FAILED: Final = {**GATEWAY, "auth_outcome": "failed"}
CHALLENGE: Final = {"www-authenticate": "Bearer"}
INVALID: Final = {"www-authenticate": 'Bearer error="invalid_token"'}
BODY_ID: Final = client_headers()["x-request-id"]
UNAUTHENTICATED, FORBIDDEN, INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE = 16, 7, 3, 5, 14


def asked(
    path: str = "/ai/v2/code/completions",
    *,
    method: str = "POST",
    token: str | None = None,
    overrides: Mapping[str, str | None] | None = None,
    label: str | None = "",
    issuer: str = "customers-dot",
) -> bytes:
    sent = minted() if token is None else token
    return request(path, method=method, headers=client_headers(sent, issuer, overrides), label=label)


TABLE: Final = {
    "ambiguous_path": (asked("/ai//v2"), 400, INVALID_ARGUMENT, "Invalid path", {}, {}),
    "no_rule": (asked("/ai/v9"), 404, NOT_FOUND, "Not found", {}, {}),
    "method_not_allowed": (
        asked(method="GET"),
        405,
        INVALID_ARGUMENT,
        "Method not allowed",
        GATEWAY,
        {"allow": "POST"},
    ),
    "backend_disagreement": (asked(label="sast"), 403, FORBIDDEN, "Forbidden", GATEWAY, {}),
    "missing_authorization": (
        asked(overrides={"authorization": None}),
        401,
        UNAUTHENTICATED,
        "No authorization header presented",
        FAILED,
        CHALLENGE,
    ),
    "malformed_authorization": (
        asked(overrides={"authorization": "Basic abc"}),
        401,
        UNAUTHENTICATED,
        "Invalid authorization header",
        FAILED,
        CHALLENGE,
    ),
    "unsupported_authentication_type": (
        asked(overrides={"x-gitlab-authentication-type": "saml"}),
        401,
        UNAUTHENTICATED,
        "Invalid authentication token type - only OIDC is supported",
        FAILED,
        CHALLENGE,
    ),
    "invalid_token": (asked(token="a.b.c"), 401, UNAUTHENTICATED, "Forbidden by auth provider", FAILED, INVALID),
    "invalid_token, but signed": (
        asked(token=minted(exp=NOW)),
        401,
        UNAUTHENTICATED,
        "Forbidden by auth provider",
        GATEWAY,
        INVALID,
    ),
    "header_mismatch": (
        asked(overrides={"x-gitlab-realm": "saas"}),
        401,
        UNAUTHENTICATED,
        "Header mismatch 'X-Gitlab-Realm'",
        GATEWAY,
        INVALID,
    ),
    "unit_primitive_header_missing": (
        asked("/ai/v1/proxy/anthropic/v1/messages"),
        400,
        INVALID_ARGUMENT,
        "Missing x-gitlab-unit-primitive header",
        GATEWAY,
        {},
    ),
    "unit_primitive_not_served": (
        asked("/ai/v1/proxy/anthropic/v1/messages", overrides={"x-gitlab-unit-primitive": "complete_code"}),
        400,
        INVALID_ARGUMENT,
        "This endpoint cannot be used for this purpose",
        GATEWAY,
        {},
    ),
    "token_type_not_allowed": (
        asked("/ai/v3/completions", token=Minter().token("ai-gateway"), issuer="ai-gateway"),
        403,
        FORBIDDEN,
        "Unauthorized to access complete_code",
        GATEWAY,
        {},
    ),
    "missing_scope": (
        asked(token=minted(scopes=["duo_chat"])),
        403,
        FORBIDDEN,
        "Unauthorized to access complete_code",
        GATEWAY,
        {},
    ),
    "missing_header": (
        asked("/ai/v1/code/user_access_token", overrides={"x-gitlab-global-user-id": None}),
        400,
        INVALID_ARGUMENT,
        "Missing X-Gitlab-Global-User-Id header",
        GATEWAY,
        {},
    ),
}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("protocol", ["HTTP", "gRPC"])
def test_each_reason_has_its_exact_answer(channel: grpc.Channel, name: str, protocol: str) -> None:
    message, status, code, text, metadata, headers = TABLE[name]
    reason = name.partition(",")[0]
    if protocol == "gRPC":
        sent = CheckRequest.FromString(message)
        sent.attributes.request.http.headers["content-type"] = "application/grpc+proto"
        message = sent.SerializeToString()
        headers = {**headers, "grpc-status": str(code), "grpc-message": text}
    response = CheckResponse.FromString(ask(channel, message))
    denied = response.denied_response
    assert response.WhichOneof("http_response") == "denied_response"
    assert (response.status.code, response.status.message, denied.status.code) == (code, text, status)
    assert json.loads(denied.body) == {"error": text, "reason": reason, "request_id": BODY_ID}
    assert facts(response) == {"outcome": "denied", "reason": reason, **metadata}
    sent_back = {option.header.key: option.header.value for option in denied.headers}
    assert sent_back == {"content-type": "application/json", **headers}


def facts(response: CheckResponse) -> dict[str, str]:
    return {name: value.string_value for name, value in response.dynamic_metadata.fields.items()}


def test_a_failure_inside_has_its_exact_answer(channel: grpc.Channel) -> None:
    response = CheckResponse.FromString(ask(channel, b"\xff"))
    assert (response.status.code, response.denied_response.status.code) == (UNAVAILABLE, 503)
    assert json.loads(response.denied_response.body) == {"error": "Service unavailable", "reason": "internal_error"}
    assert facts(response) == {"outcome": "denied", "reason": "internal_error"}


def test_an_allow_carries_what_the_token_says_and_nothing_else(channel: grpc.Channel) -> None:
    response = CheckResponse.FromString(ask(channel, asked()))
    assert (response.status.code, response.WhichOneof("http_response")) == (0, "ok_response")
    assert facts(response) == {
        "outcome": "allowed",
        "reason": "allowed",
        **GATEWAY,
        "unit_primitive": "complete_code",
        "token_type": "instance",
        "issuer": "customers-dot",
        "realm": "self-managed",
        "tier": tier_of(SEATS),
        "instance_id": INSTANCE,
        "limited_instance_id": INSTANCE,
        "user_id": USER,
    }
    assert {option.header.key: option.header.value for option in response.ok_response.headers} == {
        "x-gitlab-authorized-unit-primitive": "complete_code",
        "x-gitlab-authorized-instance-id": INSTANCE,
        "x-gitlab-authorized-realm": "self-managed",
    }


def test_a_public_endpoint_sets_no_identity(channel: grpc.Channel) -> None:
    response = CheckResponse.FromString(ask(channel, asked("/ai/monitoring/healthz", method="GET")))
    assert (response.status.code, list(response.ok_response.headers)) == (0, [])
    assert facts(response) == {"outcome": "allowed", "reason": "public", **GATEWAY}


def with_headers(headers: Mapping[str, str]) -> bytes:
    return request(headers={**client_headers(minted()), **headers})


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
    assert facts(response)["outcome"] == "denied"


def test_random_bytes_are_denied(channel: grpc.Channel) -> None:
    dice = random.Random(2)  # noqa: S311  a seed, so that a failure repeats
    for _ in range(300):
        assert_denied(ask(channel, dice.randbytes(dice.randrange(400))))


def test_a_healthy_request_with_a_damaged_token_is_never_allowed(channel: grpc.Channel) -> None:
    """Bits flip in the token alone: elsewhere a flip may leave a request that is as good as the first."""
    dice, token = random.Random(3), minted()  # noqa: S311  as above
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
    kinds = [asked(), asked(method="GET"), asked(token="a.b.c"), asked("/ai/monitoring/healthz", method="GET")]
    alone = [ask(channel, message) for message in kinds]
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda number: ask(channel, kinds[number % 4]), range(400)))
    codes = [CheckResponse.FromString(answer).status.code for answer in answers]
    assert codes == [CheckResponse.FromString(alone[number % 4]).status.code for number in range(400)]


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
