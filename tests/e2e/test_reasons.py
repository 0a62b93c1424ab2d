"""HTTP and gRPC clients see every reason for a refusal, and the access log has the layer that answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.raw_http import http2, request2

COMPLETIONS: Final = "/ai/v2/code/completions"
CHALLENGE: Final = 'Bearer error="invalid_token"'


@dataclass(frozen=True, slots=True)
class Case:
    """One refused request, and everything that clients see of the refusal."""

    id: str
    status: int
    code: int
    reason: str
    message: str
    method: str = "POST"
    path: str = COMPLETIONS
    scopes: tuple[str, ...] | None = ("complete_code",)
    issuer: str = "customers-dot"
    claims: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    details: str = "ext_authz_denied"
    reply: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False

    def __str__(self) -> str:
        return self.id


def unauthenticated(name: str, reason: str, message: str, challenge: str = "Bearer", **more: object) -> Case:
    return Case(name, 401, 16, reason, message, reply={"www-authenticate": challenge}, **more)  # type: ignore[arg-type]  # each case names its own fields


CASES: Final = [
    Case("semicolon", 400, 3, "ambiguous_path", "Invalid path", path="/ai/v1;x/chat"),
    Case("no_rule", 404, 5, "no_rule", "Not found", path="/ai/v9/nothing"),
    Case("unknown_prefix", 404, 5, "no_rule", "Not found", path="/nowhere/x", scopes=None, details="route_not_found"),
    Case("prefix_and_more", 404, 5, "no_rule", "Not found", path="/aix", scopes=None, details="route_not_found"),
    Case("method", 405, 3, "method_not_allowed", "Method not allowed", method="PUT", reply={"allow": "POST"}),
    unauthenticated("none", "missing_authorization", "No authorization header presented", scopes=None, failed=True),
    unauthenticated(
        "scheme",
        "malformed_authorization",
        "Invalid authorization header",
        headers={"authorization": "Basic eA=="},
        failed=True,
    ),
    unauthenticated(
        "type",
        "unsupported_authentication_type",
        "Invalid authentication token type - only OIDC is supported",
        headers={"x-gitlab-authentication-type": "basic"},
        failed=True,
    ),
    unauthenticated(
        "garbage",
        "invalid_token",
        "Forbidden by auth provider",
        CHALLENGE,
        headers={"authorization": "Bearer a.b.c"},
        failed=True,
    ),
    unauthenticated(
        "expired", "invalid_token", "Forbidden by auth provider", CHALLENGE, claims={"iat": 1, "nbf": 1, "exp": 2}
    ),
    unauthenticated("audience", "invalid_token", "Forbidden by auth provider", CHALLENGE, claims={"aud": "another"}),
    unauthenticated(
        "realm", "header_mismatch", "Header mismatch 'X-Gitlab-Realm'", CHALLENGE, headers={"x-gitlab-realm": "saas"}
    ),
    unauthenticated(
        "instance",
        "header_mismatch",
        "Header mismatch 'X-Gitlab-Instance-Id'",
        CHALLENGE,
        headers={"x-gitlab-instance-id": "x"},
    ),
    unauthenticated(
        "user",
        "header_mismatch",
        "Header mismatch 'X-Gitlab-Global-User-Id'",
        CHALLENGE,
        issuer="ai-gateway",
        headers={"x-gitlab-global-user-id": "x"},
    ),
    Case(
        "unnamed",
        400,
        3,
        "unit_primitive_header_missing",
        "Missing x-gitlab-unit-primitive header",
        path="/ai/v1/proxy/anthropic/v1/messages",
    ),
    Case(
        "unserved",
        400,
        3,
        "unit_primitive_not_served",
        "This endpoint cannot be used for complete_code purpose",
        path="/ai/v1/proxy/anthropic/v1/messages",
        headers={"x-gitlab-unit-primitive": "complete_code"},
    ),
    Case(
        "user_token",
        403,
        7,
        "token_type_not_allowed",
        "Unauthorized to access code generations",
        path="/ai/v2/code/generations",
        scopes=("generate_code",),
        issuer="ai-gateway",
    ),
    Case("scope", 403, 7, "missing_scope", "Unauthorized to access code completions", scopes=("duo_chat",)),
    Case("gone", 410, 12, "gone", "This endpoint was removed on 2026-04-29", path="/ai/v1/x-ray/libraries"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_http_client_gets_status_reason_and_message(door: Door, client: HttpClient, case: Case) -> None:
    with door.no_request_at_backends():
        answer = client.ask(
            case.method, case.path, case.scopes, issuer=case.issuer, claims=case.claims, headers=case.headers
        )
    assert answer.status == case.status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "error": case.message,
        "detail": case.message,
        "reason": case.reason,
        "request_id": answer.request_id,
    }
    assert {name: answer.headers.get(name) for name in case.reply} == case.reply
    assert "grpc-status" not in answer.headers
    line = door.log_line(answer.request_id)
    assert (line["status"], line["details"], line["attempts"]) == (case.status, case.details, 0)
    if case.details == "ext_authz_denied":
        assert (line["outcome"], line["reason"]) == ("denied", case.reason)
        assert line["auth_outcome"] == ("failed" if case.failed else None)


@pytest.mark.parametrize("case", [each for each in CASES if each.id != "audience"], ids=str)
def test_a_grpc_client_gets_code_and_message(door: Door, client: HttpClient, case: Case) -> None:
    further = {**case.headers, "content-type": "application/grpc", "te": "trailers"}
    sent = client.headers(case.path, case.scopes, case.issuer, case.claims, further)
    with door.no_request_at_backends():
        reply = http2(door.plain, request2(case.method, case.path, sent.items()), body=b"\0\0\0\0\0")
    assert (reply.status, reply.header("grpc-status"), reply.header("grpc-message")) == (
        200,
        str(case.code),
        case.message,
    )
    assert reply.header("content-type") == "application/grpc"
    assert door.log_line(sent["x-request-id"])["details"] == case.details


@pytest.mark.parametrize("label", ["{backend_service: ai_gateway}", "{}"], ids=["wrong", "absent"])
def test_a_route_with_a_wrong_label_or_none_refuses_every_request(door: Door, client: HttpClient, label: str) -> None:
    with door.edited(routes=[("{backend_service: sast}", label)]), door.no_request_at_backends():
        answer = client.ask("POST", "/sast/scan", ["security_scans"])
    assert answer.status == 403
    assert answer.json() == {
        "error": "Forbidden",
        "detail": "Forbidden",
        "reason": "backend_disagreement",
        "request_id": answer.request_id,
    }
    assert door.log_line(answer.request_id)["details"] == "ext_authz_denied"


def test_a_refusal_does_not_say_what_is_wrong_with_a_token(client: HttpClient) -> None:
    expired = client.ask("POST", COMPLETIONS, ["complete_code"], claims={"iat": 1, "nbf": 1, "exp": 2})
    garbage = client.ask("POST", COMPLETIONS, headers={"authorization": "Bearer a.b.c"})
    assert {**expired.json(), "request_id": ""} == {**garbage.json(), "request_id": ""}
    assert set(expired.headers) == set(garbage.headers)
