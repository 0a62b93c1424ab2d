"""Load balancers, browsers and proxies in front of the door get what they rely on."""

import http.client
import json
from contextlib import closing
from typing import Final

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import get
from tests.support.e2e.raw_http import http1, http2, request2

COMPLETIONS: Final = "/ai/v2/code/completions"
ORIGIN: Final = "https://gitlab.example.com"
LABEL: Final = "{context_extensions: {backend_service: sast}}"
CORS: Final = f"""{LABEL}
        envoy.filters.http.cors:
          "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
          allow_origin_string_match: [{{exact: {ORIGIN}}}]
          allow_methods: POST"""
PREFLIGHT: Final = [("origin", ORIGIN), ("access-control-request-method", "POST")]


@pytest.mark.parametrize(("method", "path"), [("GET", b"/-/health"), ("HEAD", b"/-/health"), ("HEAD", b"/")])
def test_probes_of_load_balancers_and_instances_need_no_token(door: Door, method: str, path: bytes) -> None:
    with door.no_request_at_backends():
        assert http1(door.plain, method, path).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "head"])
def test_the_root_answers_nothing_but_that_probe(door: Door, method: str) -> None:
    assert http1(door.plain, method, b"/").status in {400, 404}


HOSTS: Final = ["x/ai/monitoring/healthz?", "x/ai/monitoring/healthz", "x?", "x#", "a@b/ai/monitoring/healthz?", "x\\y"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_path_in_the_host_allows_nothing(door: Door, client: HttpClient, host: str) -> None:
    """2026: the AI gateway's own check read `Host: x/monitoring/healthz?` as the path of a public endpoint."""
    headers = [*client.headers(COMPLETIONS).items()]
    with door.no_request_at_backends():
        over1 = http1(door.plain, "POST", COMPLETIONS.encode(), headers, host=host)
        over2 = http2(door.plain, request2("POST", COMPLETIONS, headers, host))
    assert {over1.status, over2.status} <= {0, 400, 401}


def test_the_web_ide_may_call_the_ai_gateway_from_any_origin(door: Door, client: HttpClient) -> None:
    asked = [*PREFLIGHT, ("access-control-request-headers", "authorization,content-type,x-gitlab-instance-id")]
    for path in (b"/ai/v2/code/completions", b"/ai/v1/prompts/chat/react", b"/auth/v1/code/user_access_token"):
        with door.no_request_at_backends():
            preflight = http1(door.plain, "OPTIONS", path, asked)
        assert (preflight.status, preflight.header("access-control-allow-origin")) == (200, ORIGIN)
        assert preflight.header("access-control-allow-methods") == "POST"
        allowed = (preflight.header("access-control-allow-headers") or "").replace(" ", "").split(",")
        assert {"authorization", "content-type", "x-gitlab-authentication-type", "x-gitlab-instance-id"} <= set(allowed)
        assert preflight.header("access-control-allow-credentials") is None
    for scopes in (["complete_code"], ["duo_chat"], None):
        answer = client.ask("POST", COMPLETIONS, scopes, headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_preflight_does_not_bypass_authz(door: Door) -> None:
    with door.no_request_at_backends():
        assert http1(door.plain, "OPTIONS", COMPLETIONS.encode(), [("origin", ORIGIN)]).status == 405
        assert http1(door.plain, "OPTIONS", COMPLETIONS.encode()).status == 405


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
