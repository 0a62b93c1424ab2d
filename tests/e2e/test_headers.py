"""Headers by which a client could deceive a backend do not arrive, in any spelling."""

import socket
import uuid
from typing import Final

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.raw_http import http1, http2, request2
from tests.support.e2e.recording_backend import recording_backend

COMPLETIONS: Final = "/ai/v2/code/completions"
METHOD: Final = "/DuoWorkflow/GenerateToken"
SPOOFED: Final = {
    "X-Gitlab-Authorized-Unit-Primitive": "generate_code",
    "x-gitlab-authorized-user-id": "somebody",
    "X-GITLAB-AUTHORIZED-INSTANCE-ID": "somewhere",
    "x-gitlab-authorized-anything": "else",
}
OVERRIDES: Final = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-Forwarded-Prefix",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Uri",
    "X-Script-Name",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "Proxy",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "X-Envoy-Retry-On",
    "X-Envoy-Decorator-Operation",
    "X-Envoy-Internal",
]
# Headers in which some proxies and clouds name the client to a backend.
IDENTITIES: Final = """
    X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Forwarded-Access-Token
    X-Forwarded-Client-Cert X-Forwarded-Path X-Forwarded-Proxy X-Forwarded-Protocol X-Forwarded-Format X-Forwarded-Tls
    X-Forwarded-For-Original X-Forwarded-Scheme X-Forwarded-Ssl X-Forwarded-Server X-Forwarded-Method X-Forwarded-Url
    X-Forwarded Forwarded-For X-Auth-Request-User X-Auth-Request-Access-Token X-Goog-Authenticated-User-Email
    X-Goog-IAP-JWT-Assertion X-Amzn-Oidc-Identity X-Amzn-Oidc-Data X-MS-Client-Principal X-MS-Client-Principal-Id
    X-AppEngine-User-Email X-AppEngine-Inbound-AppId Ssl-Client-Verify Ssl-Client-Subject-Dn X-SSL-Client-Cert
    X-Client-Cert X-Client-Certificate Remote-User X-Remote-User X-Proxy-User X-Serverless-Authorization
    Proxy-Authorization Client-IP Fly-Client-IP Fastly-Client-IP X-Azure-ClientIP X-ProxyUser-IP CF-Connecting-IP
    X-Cluster-Client-IP X-Originating-IP X-Remote-IP X-Remote-Addr X-Host X-Host-Override X-HTTP-Host-Override
    X-Accel-Redirect X-URL-Scheme Front-End-Https
"""
OTHER_SPELLINGS: Final = """
    x.gitlab.authorized.user.id X-Gitlab.Authorized-Instance.Id x-gitlab-authorized.anything x~gitlab~authorized~realm
    x.gitlab.realm remote.user
"""


def test_spoofed_authorized_headers_never_arrive(client: HttpClient) -> None:
    seen = client.ask("POST", COMPLETIONS, ["complete_code"], headers=SPOOFED).echoed()
    authorized = {name: value for name, value in seen.items() if name.startswith("x-gitlab-authorized-")}
    assert authorized == {
        "x-gitlab-authorized-unit-primitive": "complete_code",
        "x-gitlab-authorized-instance-id": seen["x-gitlab-instance-id"],
        "x-gitlab-authorized-realm": "self-managed",
    }


def test_spoofed_authorized_headers_do_not_arrive_at_a_public_endpoint_either(client: HttpClient) -> None:
    seen = client.ask("GET", "/ai/monitoring/healthz", headers=SPOOFED).echoed()
    assert not [name for name in seen if "authorized" in name]


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override_header_never_arrives(client: HttpClient, name: str) -> None:
    seen = client.ask("POST", COMPLETIONS, ["complete_code"], headers={name: "/evil"}).echoed()
    assert "/evil" not in seen.values()


@pytest.mark.parametrize("path", [COMPLETIONS, "/ai/monitoring/healthz"], ids=["token", "public"])
@pytest.mark.parametrize("names", [IDENTITIES, OTHER_SPELLINGS], ids=["identities", "other spellings"])
def test_no_identity_header_of_a_client_arrives(client: HttpClient, path: str, names: str) -> None:
    """2026-11-22: a backend that also runs behind another proxy believes that proxy's headers, in any spelling."""
    method, scopes = ("POST", ["complete_code"]) if path == COMPLETIONS else ("GET", None)
    seen = client.ask(method, path, scopes, headers=dict.fromkeys(names.split(), "evil")).echoed()
    assert [name for name, value in seen.items() if "evil" in value] == []


def test_what_gitlab_sends_arrives(client: HttpClient) -> None:
    """2026-11-22: the list of removed headers has none that a client needs."""
    sent = {
        "x-gitlab-duo-seat-count": "7",
        "x-gitlab-global-user-id": "somebody",
        "x-gitlab-host-name": "gitlab.example.com",
        "x-gitlab-saas-namespace-ids": "1,2",
        "x-gitlab-unit-primitive": "complete_code",
        "x-gitlab-version": "18.6.0",
        "x-gitlab-feature-enabled-by-namespace-ids": "1",
        "accept": "application/json",
        "baggage": "a=b",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "user-agent": "gitlab-workhorse",
        "via": "1.1 proxy",
    }
    seen = client.ask("POST", COMPLETIONS, ["complete_code"], headers=sent).echoed()
    assert {name: seen.get(name) for name in sent} == sent


@pytest.mark.parametrize("name", ["x_gitlab_authorized_user_id", "X_Gitlab_Realm", "x_anything"])
def test_a_name_with_underscores_is_refused(door: Door, client: HttpClient, name: str) -> None:
    headers = client.headers(COMPLETIONS, ["complete_code"], overrides={name: "1"})
    with door.no_request_at_backends():
        first = http1(door.plain, "POST", COMPLETIONS.encode(), headers.items())
        second = http2(door.plain, request2("POST", COMPLETIONS, headers.items()))
    assert first.status == 400
    assert b'"reason":"bad_request"' in first.body
    assert door.log_line_of(first)["details"] == "http1.unexpected_underscore"
    assert second.status == 0
    assert door.log_line_of(second)["details"] == "http2.unexpected_underscore"


def test_no_trailer_arrives_at_a_backend_over_http2(door: Door, client: HttpClient) -> None:
    further = {"content-type": "application/grpc", "grpc-timeout": "7S"}
    sent = client.headers(METHOD, ["duo_workflow_execute_workflow"], overrides=further)
    trailers = [("x-gitlab-authorized-user-id", "somebody"), ("x-http-method-override", "PUT"), ("x-plain", "1")]
    with recording_backend() as upstream, door.edited(clusters=[("port_value: 8113", f"port_value: {upstream.port}")]):
        door.wait_until(
            lambda: door.envoy.admin.healthy_endpoints().get("duo_workflow_service_grpc") == 1, "the recording backend"
        )
        reply = http2(door.plain, request2("POST", METHOD, sent.items()), body=b"\0\0\0\0\0", trailers=trailers)
        arrival = upstream.arrivals.get(timeout=10)
    assert (reply.status, reply.header("grpc-status")) == (200, "0")
    assert arrival.headers["x-gitlab-authorized-unit-primitive"] == "duo_workflow_execute_workflow"
    assert "x-gitlab-authorized-user-id" not in arrival.headers
    assert arrival.headers["grpc-timeout"] == "7000m"
    assert arrival.trailers == {}


def test_a_trailer_with_underscores_ends_the_stream(door: Door, client: HttpClient) -> None:
    sent = client.headers(METHOD, ["duo_workflow_execute_workflow"], overrides={"content-type": "application/grpc"})
    trailers = [("x_gitlab_authorized_user_id", "somebody")]
    reply = http2(door.plain, request2("POST", METHOD, sent.items()), body=b"\0\0\0\0\0", trailers=trailers)
    assert reply.status == 0
    assert door.log_line_of(reply)["details"] == "http2.unexpected_underscore"


def test_no_trailer_arrives_at_a_backend_over_http1(door: Door, client: HttpClient) -> None:
    headers = client.headers(COMPLETIONS, ["complete_code"], overrides={"transfer-encoding": "chunked"})
    lines = [f"POST {COMPLETIONS} HTTP/1.1", "host: cloud.gitlab.com", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    chunks = ["1", "a", "0", "x-gitlab-authorized-user-id: somebody", "", ""]
    with socket.create_connection(("127.0.0.1", door.plain), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", *chunks]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"somebody" not in answer


def test_a_backend_sees_one_client_address_which_the_client_cannot_set(client: HttpClient) -> None:
    headers = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https"}
    seen = client.ask("POST", COMPLETIONS, ["complete_code"], headers=headers).echoed()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-envoy-external-address"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"


def test_no_client_counts_as_internal(client: HttpClient) -> None:
    seen = client.ask("POST", COMPLETIONS, ["complete_code"]).echoed()
    assert "x-envoy-internal" not in seen
    assert seen["x-envoy-external-address"] == "127.0.0.1"


@pytest.mark.parametrize("request_id", ["01J5ZC3W9Q4T8V2N7K6M1B0XYZ", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_the_clients_request_id_survives_everywhere(door: Door, client: HttpClient, request_id: str) -> None:
    answer = client.ask("POST", COMPLETIONS, ["complete_code"], headers={"x-request-id": request_id})
    assert answer.echoed()["x-request-id"] == request_id
    assert answer.headers["x-request-id"] == request_id
    assert door.log_line(request_id)["status"] == 200


def test_a_request_without_an_id_is_given_one(door: Door, client: HttpClient) -> None:
    answer = client.ask("POST", COMPLETIONS, ["complete_code"], headers={"x-request-id": None})
    made = answer.headers["x-request-id"]
    assert str(uuid.UUID(made)) == made
    assert answer.echoed()["x-request-id"] == made
    assert door.log_line(made)["status"] == 200


def test_the_answer_reveals_nothing_about_the_programs_inside(client: HttpClient) -> None:
    answer = client.ask("POST", COMPLETIONS, ["complete_code"])
    assert answer.headers["server"] == "cloud-connector"
    assert not [name for name in answer.headers if name.startswith("x-envoy-")]


def test_several_authorization_headers_are_refused(door: Door, client: HttpClient) -> None:
    headers = [*client.headers(COMPLETIONS, ["complete_code"]).items()]
    authorization = next(each for each in headers if each[0] == "authorization")
    with door.no_request_at_backends():
        reply = http1(door.plain, "POST", COMPLETIONS.encode(), [*headers, authorization])
    assert reply.status == 401
    assert b"malformed_authorization" in reply.body
