"""Envoy refuses requests that are too large, and goes on serving."""

from typing import Final

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.raw_http import http1, http2, request2

COMPLETIONS: Final = "/ai/v2/code/completions"
MANY: Final = [(f"x-many-{number}", "1") for number in range(10_000)]
LARGE: Final = [("x-large", "a" * 1_000_000)]
JUST_TOO_MANY: Final = [(f"x-many-{number}", "1") for number in range(100)]


@pytest.mark.parametrize("further", [MANY, LARGE, JUST_TOO_MANY], ids=["10,000 headers", "1 MB", "over 100 headers"])
def test_too_many_or_too_large_headers_are_refused_over_http1(
    door: Door, client: HttpClient, further: list[tuple[str, str]]
) -> None:
    headers = client.headers(COMPLETIONS, ["complete_code"])
    with door.no_request_at_backends():
        reply = http1(door.plain, "POST", COMPLETIONS.encode(), [*headers.items(), *further])
    line = door.log_line_of(reply)
    assert line["status"] == 431
    assert line["details"] in {"http1.headers_too_large", "http1.too_many_headers"}
    assert reply.status in {0, 431}  # 0: Envoy closed the connection while the client was sending
    assert client.ask("POST", COMPLETIONS, ["complete_code"]).status == 200


@pytest.mark.parametrize("further", [MANY, LARGE, JUST_TOO_MANY], ids=["10,000 headers", "1 MB", "over 100 headers"])
def test_too_many_or_too_large_headers_are_refused_over_http2(
    door: Door, client: HttpClient, further: list[tuple[str, str]]
) -> None:
    headers = client.headers(COMPLETIONS, ["complete_code"])
    with door.no_request_at_backends():
        reply = http2(door.plain, request2("POST", COMPLETIONS, [*headers.items(), *further]))
    assert reply.status in {0, 431}
    assert client.ask("POST", COMPLETIONS, ["complete_code"]).status == 200


def test_a_long_token_within_bounds_is_decided_by_authz(door: Door, client: HttpClient) -> None:
    headers = client.headers(COMPLETIONS, overrides={"authorization": "Bearer " + "a" * 20_000})
    reply = http1(door.plain, "POST", COMPLETIONS.encode(), headers.items())
    assert (reply.status, b"invalid_token" in reply.body) == (401, True)
    assert door.log_line_of(reply)["details"] == "ext_authz_denied"


def test_http_1_0_and_unread_upgrades_are_refused(door: Door, client: HttpClient) -> None:
    headers = client.headers(
        COMPLETIONS, ["complete_code"], overrides={"connection": "upgrade", "upgrade": "websocket"}
    )
    with door.no_request_at_backends():
        reply = http1(door.plain, "GET", COMPLETIONS.encode(), headers.items())
    assert reply.status == 403
    assert b'"reason":"upgrade_not_allowed"' in reply.body
