"""Load balancers, browsers and proxies in front of the door get what they rely on."""

import http.client
import json
from contextlib import closing
from typing import Final

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import get
from tests.support.e2e.raw_http import http1

COMPLETIONS: Final = "/ai/v2/code/completions"
ORIGIN: Final = "https://gitlab.example.com"
LABEL: Final = "{context_extensions: {backend_service: sast}}"
CORS: Final = f"""{LABEL}
        envoy.filters.http.cors:
          "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
          allow_origin_string_match: [{{exact: {ORIGIN}}}]
          allow_methods: POST"""
PREFLIGHT: Final = [("origin", ORIGIN), ("access-control-request-method", "POST")]


def test_the_health_check_of_load_balancers_needs_no_token(door: Door) -> None:
    with door.no_request_at_backends():
        assert get(door.plain, "/-/health").status == 200


def test_cors_is_off_unless_a_route_asks_for_it(door: Door, client: HttpClient) -> None:
    preflight = http1(door.plain, "OPTIONS", b"/sast/scan", PREFLIGHT)
    answer = client.ask("POST", "/sast/scan", ["security_scans"], headers={"origin": ORIGIN})
    assert preflight.status == 405
    assert preflight.header("access-control-allow-origin") is None
    assert "access-control-allow-origin" not in answer.headers


def test_envoy_answers_preflights_of_a_route_that_asks_for_cors(door: Door, client: HttpClient) -> None:
    with door.edited(routes=[(LABEL, CORS)]), door.no_request_at_backends():
        preflight = http1(door.plain, "OPTIONS", b"/sast/scan", PREFLIGHT)
        stranger = http1(door.plain, "OPTIONS", b"/sast/scan", [("origin", "https://evil.example"), PREFLIGHT[1]])
        refused = client.ask("POST", "/sast/scan", headers={"origin": ORIGIN})
    assert (preflight.status, preflight.header("access-control-allow-origin")) == (200, ORIGIN)
    assert preflight.header("access-control-allow-methods") == "POST"
    assert stranger.header("access-control-allow-origin") is None
    assert refused.status == 401


@pytest.mark.parametrize(
    ("hops", "address"), [(0, "127.0.0.1"), (1, "198.51.100.7"), (2, "203.0.113.9")], ids=["none", "one", "two"]
)
def test_one_setting_says_how_many_proxies_in_front_are_trusted(
    door: Door, client: HttpClient, hops: int, address: str
) -> None:
    edits = (("xff_num_trusted_hops: 0", f"xff_num_trusted_hops: {hops}"),)
    with door.another_envoy(f"hops-{hops}", edits) as behind:
        ask = HttpClient(behind.plain, client.mint)
        headers = {"x-forwarded-for": "192.0.2.1, 203.0.113.9, 198.51.100.7"}
        seen = ask.ask("POST", COMPLETIONS, ["complete_code"], headers=headers).echoed()
    assert (seen["x-forwarded-for"], seen["x-envoy-external-address"]) == (address, address)


def test_draining_fails_the_health_check_and_lets_requests_finish(door: Door, client: HttpClient) -> None:
    with (
        door.another_envoy("drained", ()) as old,
        closing(http.client.HTTPConnection("127.0.0.1", old.plain, timeout=20)) as running,
    ):
        path = "/ai/v2/chat/agent?events=3&interval=0.4"
        sent = client.headers("/ai/v2/chat/agent", ["duo_chat"], overrides={"accept": "text/event-stream"})
        running.request("POST", path, headers=sent)
        answer = running.getresponse()
        assert get(old.plain, "/-/health").status == 200
        old.admin.drain()
        assert get(old.admin.port, "/ready").body.strip() == b"DRAINING"
        assert old.admin.active_requests() == 1
        assert answer.read().count(b"event: ") == 3


def test_the_plain_listener_and_the_admin_interface_are_on_loopback(door: Door) -> None:
    found = json.loads(get(door.envoy.admin.port, "/config_dump?resource=static_listeners").body)["configs"]
    addresses = {each["listener"]["name"]: each["listener"]["address"]["socket_address"]["address"] for each in found}
    assert addresses["plain"] == "127.0.0.1"
