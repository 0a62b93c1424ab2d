"""Paths that two programs could read differently are refused, or made one path before anyone reads them."""

from typing import Final, NamedTuple

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient, audience
from tests.support.e2e.raw_http import http1, http2, request2

AUTHZ: Final = "ext_authz_denied"
ENVOY: Final = "path_normalization_failed"
CODEC: Final = "http1.codec_error"


class Trap(NamedTuple):
    """A request target, the layer that answers, and the answer."""

    target: str
    status: int
    layer: str
    reason: str


REFUSED: Final = [
    Trap("/ai/v2/code%252fcompletions", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code%255ccompletions", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code%2f%2e%2e%252fcompletions", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai%252fv2/code/completions", 404, "route_not_found", "no_rule"),
    Trap("/ai/..%2f..%2fnowhere", 404, "route_not_found", "no_rule"),
    Trap("/ai/v2/code/completions%00", 400, ENVOY, "ambiguous_path"),
    Trap("/ai/v2/code/completions#x", 400, ENVOY, "ambiguous_path"),
    Trap("/ai/v2/code/completions%23", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions;a=b", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions%3ba=b", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions%3fa=b", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions%zz", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions%c3%28", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions%252f", 400, AUTHZ, "ambiguous_path"),
    Trap("/ai/v2/code/completions/", 404, AUTHZ, "no_rule"),
    Trap("/ai/v2/code/Completions", 404, AUTHZ, "no_rule"),
    Trap("/ai/../nowhere", 404, "route_not_found", "no_rule"),
    Trap("/AI/v2/code/completions", 404, "route_not_found", "no_rule"),
    Trap("/ai%2e/v2/code/completions", 404, "route_not_found", "no_rule"),
    Trap("/ai/v2/code/completions\xe9", 400, CODEC, "bad_request"),
    Trap("/ai/v2/code/ completions", 400, CODEC, "bad_request"),
    Trap("*", 400, "http1.invalid_url", "bad_request"),
]


@pytest.mark.parametrize("trap", REFUSED, ids=lambda trap: ascii(trap.target))
def test_an_ambiguous_path_is_refused_by_the_first_that_sees_it(door: Door, client: HttpClient, trap: Trap) -> None:
    headers = client.headers("/ai", ["complete_code"])
    with door.no_request_at_backends():
        reply = http1(door.plain, "POST", trap.target.encode("latin-1"), headers.items())
    assert reply.status == trap.status
    assert f'"{trap.reason}"' in reply.body.decode()
    assert reply.header("content-type") == "application/json"
    assert door.log_line_of(reply)["details"] == trap.layer


@pytest.mark.parametrize(
    "target",
    [
        "/ai//v2/code///completions",
        "//ai/v2/code/completions",
        "/ai/v2/code\\completions",
        "/ai/v2/x/../code/completions",
        "/ai/v2/x/%2e%2e/code/./completions",
        "/ai/v2/x/..;/code/completions",
        "/sast/../ai/v2/code/completions",
        "/ai/v2/code/%63ompletions",
        "/ai/v2/code%2fcompletions",
        "/ai%2Fv2%2Fcode%2Fcompletions",
        "/ai/v2/code%5ccompletions",
        "/ai/v2/x%2f..%2fcode/completions",
        "/sast/..%2fai/v2/code/completions",
        "/%2fai/v2%2f%2fcode/completions",
    ],
)
def test_what_envoy_normalises_is_one_path_for_authz_and_backend(door: Door, client: HttpClient, target: str) -> None:
    allowed = http1(door.plain, "POST", target.encode(), client.headers("/ai", ["complete_code"]).items())
    assert allowed.status == 200
    assert b'"path": "/v2/code/completions"' in allowed.body.replace(b"%63", b"c")
    with door.no_request_at_backends():
        refused = http1(door.plain, "POST", target.encode(), client.headers("/ai", ["duo_chat"]).items())
    assert refused.status == 403
    assert door.log_line_of(refused)["details"] == AUTHZ


def test_a_path_below_one_prefix_does_not_reach_another(door: Door, client: HttpClient) -> None:
    headers = client.headers("/ai", ["complete_code", "security_scans"])
    with door.no_request_at_backends():
        reply = http1(door.plain, "POST", b"/ai/../sast/scan", headers.items())
    assert reply.status == 401
    assert b"invalid_token" in reply.body
    assert audience("/ai") != audience("/sast")


def test_raw_non_ascii_over_http2_is_refused(door: Door, client: HttpClient) -> None:
    headers = client.headers("/ai", ["complete_code"])
    with door.no_request_at_backends():
        reply = http2(door.plain, request2("POST", "/ai/v2/code/completions\xe9", headers.items()))
    assert reply.status in {0, 400, 404}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
def test_a_405_names_the_allowed_method(door: Door, client: HttpClient, method: str) -> None:
    headers = client.headers("/ai", ["complete_code"])
    with door.no_request_at_backends():
        reply = http1(door.plain, method, b"/ai/v2/code/completions", headers.items())
    assert (reply.status, reply.header("allow")) == (405, "POST")
    assert door.log_line_of(reply)["details"] == AUTHZ


def test_a_tunnel_is_refused(door: Door, client: HttpClient) -> None:
    with door.no_request_at_backends():
        reply = http1(door.plain, "CONNECT", b"127.0.0.1:22", client.headers("/ai", ["complete_code"]).items())
    assert reply.status == 404
    assert door.log_line_of(reply)["details"] == "route_not_found"
