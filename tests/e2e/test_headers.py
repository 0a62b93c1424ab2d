"""What a client must not be able to say to a backend, however it writes it."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.raw_http import http1, http2, request2
from tests.e2e.witness import witness

if TYPE_CHECKING:
    from tests.e2e.door import Door
    from tests.e2e.visitor import Visitor

COMPLETIONS: Final = "/ai/v2/code/completions"
METHOD: Final = "/duo_workflow.DuoWorkflow/GenerateToken"
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


def test_spoofed_authorized_headers_never_arrive(visitor: Visitor) -> None:
    seen = visitor.ask("POST", COMPLETIONS, ["complete_code"], headers=SPOOFED).echoed()
    authorized = {name: value for name, value in seen.items() if name.startswith("x-gitlab-authorized-")}
    assert authorized == {
        "x-gitlab-authorized-unit-primitive": "complete_code",
        "x-gitlab-authorized-instance-id": seen["x-gitlab-instance-id"],
        "x-gitlab-authorized-realm": "self-managed",
    }


def test_spoofed_authorized_headers_do_not_arrive_at_a_public_endpoint_either(visitor: Visitor) -> None:
    seen = visitor.ask("GET", "/ai/monitoring/healthz", headers=SPOOFED).echoed()
    assert not [name for name in seen if "authorized" in name]


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override_header_never_arrives(visitor: Visitor, name: str) -> None:
    seen = visitor.ask("POST", COMPLETIONS, ["complete_code"], headers={name: "/evil"}).echoed()
    assert "/evil" not in seen.values()


@pytest.mark.parametrize("name", ["x_gitlab_authorized_user_id", "X_Gitlab_Realm", "x_anything"])
def test_a_name_with_underscores_is_refused(door: Door, visitor: Visitor, name: str) -> None:
    headers = visitor.headers(COMPLETIONS, ["complete_code"], overrides={name: "1"})
    with door.nothing_let_through():
        first = http1(door.plain, "POST", COMPLETIONS.encode(), headers.items())
        second = http2(door.plain, request2("POST", COMPLETIONS, headers.items()))
    assert first.status == 400
    assert b'"reason":"bad_request"' in first.body
    assert door.log_line_of(first)["details"] == "http1.unexpected_underscore"
    assert second.status == 0
    assert door.log_line_of(second)["details"] == "http2.unexpected_underscore"


def test_no_trailer_arrives_at_a_backend_over_http2(door: Door, visitor: Visitor) -> None:
    further = {"content-type": "application/grpc", "grpc-timeout": "7S"}
    sent = visitor.headers(METHOD, ["duo_workflow_generate_token"], overrides=further)
    trailers = [("x-gitlab-authorized-user-id", "somebody"), ("x-http-method-override", "PUT"), ("x-plain", "1")]
    with witness() as upstream, door.edited(clusters=[("port_value: 8113", f"port_value: {upstream.port}")]):
        door.wait_until(lambda: door.envoy.admin.healthy_endpoints().get("duo_workflow_grpc") == 1, "the witness")
        reply = http2(door.plain, request2("POST", METHOD, sent.items()), body=b"\0\0\0\0\0", trailers=trailers)
        arrival = upstream.arrivals.get(timeout=10)
    assert (reply.status, reply.header("grpc-status")) == (200, "0")
    assert arrival.headers["x-gitlab-authorized-unit-primitive"] == "duo_workflow_generate_token"
    assert "x-gitlab-authorized-user-id" not in arrival.headers
    assert arrival.headers["grpc-timeout"] == "7000m"
    assert arrival.trailers == {}


def test_a_trailer_with_underscores_ends_the_stream(door: Door, visitor: Visitor) -> None:
    sent = visitor.headers(METHOD, ["duo_workflow_generate_token"], overrides={"content-type": "application/grpc"})
    trailers = [("x_gitlab_authorized_user_id", "somebody")]
    reply = http2(door.plain, request2("POST", METHOD, sent.items()), body=b"\0\0\0\0\0", trailers=trailers)
    assert reply.status == 0
    assert door.log_line_of(reply)["details"] == "http2.unexpected_underscore"


def test_no_trailer_arrives_at_a_backend_over_http1(door: Door, visitor: Visitor) -> None:
    headers = visitor.headers(COMPLETIONS, ["complete_code"], overrides={"transfer-encoding": "chunked"})
    lines = [f"POST {COMPLETIONS} HTTP/1.1", "host: cloud.gitlab.com", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    chunks = ["1", "a", "0", "x-gitlab-authorized-user-id: somebody", "", ""]
    with socket.create_connection(("127.0.0.1", door.plain), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", *chunks]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"somebody" not in answer


def test_a_backend_sees_one_client_address_and_it_is_not_the_clients_word(visitor: Visitor) -> None:
    headers = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https"}
    seen = visitor.ask("POST", COMPLETIONS, ["complete_code"], headers=headers).echoed()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-envoy-external-address"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"


def test_no_client_counts_as_internal(visitor: Visitor) -> None:
    seen = visitor.ask("POST", COMPLETIONS, ["complete_code"]).echoed()
    assert "x-envoy-internal" not in seen
    assert seen["x-envoy-external-address"] == "127.0.0.1"


@pytest.mark.parametrize("request_id", ["01J5ZC3W9Q4T8V2N7K6M1B0XYZ", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_the_clients_request_id_survives_everywhere(door: Door, visitor: Visitor, request_id: str) -> None:
    answer = visitor.ask("POST", COMPLETIONS, ["complete_code"], headers={"x-request-id": request_id})
    assert answer.echoed()["x-request-id"] == request_id
    assert answer.headers["x-request-id"] == request_id
    assert door.log_line(request_id)["status"] == 200


def test_a_request_without_an_id_is_given_one(door: Door, visitor: Visitor) -> None:
    answer = visitor.ask("POST", COMPLETIONS, ["complete_code"], headers={"x-request-id": None})
    made = answer.headers["x-request-id"]
    assert str(uuid.UUID(made)) == made
    assert answer.echoed()["x-request-id"] == made
    assert door.log_line(made)["status"] == 200


def test_the_answer_tells_nothing_about_the_inside(visitor: Visitor) -> None:
    answer = visitor.ask("POST", COMPLETIONS, ["complete_code"])
    assert answer.headers["server"] == "cloud-connector"
    assert not [name for name in answer.headers if name.startswith("x-envoy-")]


def test_several_authorization_headers_are_refused(door: Door, visitor: Visitor) -> None:
    headers = [*visitor.headers(COMPLETIONS, ["complete_code"]).items()]
    authorization = next(each for each in headers if each[0] == "authorization")
    with door.nothing_let_through():
        reply = http1(door.plain, "POST", COMPLETIONS.encode(), [*headers, authorization])
    assert reply.status == 401
    assert b"malformed_authorization" in reply.body
