"""Every endpoint, prompt and gRPC method, through Envoy and authz: allowed with each sufficient scope, else refused."""

import json
from typing import Final

import grpc
import pytest

from tests.support.e2e.door import Door
from tests.support.e2e.grpc_client import GrpcClient, Metadata, grpc_client
from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.minting import INSTANCE, USER
from tests.support.repository import ROOT
from tests.support.upstream import USER_ISSUERS, Call, calls, removed

EVERY_SCOPE: Final = sorted(file.stem for file in (ROOT / "authz/data/catalog/unit_primitives").glob("*.yml"))
OTHERS: Final = [
    Call("", "POST", "/duo-workflow/v1/workflows", "duo_workflow", ("duo_workflow_execute_workflow",)),
    Call("", "GET", "/duo-workflow/v1/workflows/7/events", "duo_workflow", ("duo_workflow_execute_workflow",)),
    Call("", "POST", "/duo-workflow/v1/token", "duo_workflow", ("duo_workflow_generate_token",)),
    Call("", "GET", "/duo-workflow/monitoring/healthz", "duo_workflow", public=True),
    Call("", "POST", "/observability/v1/traces", "observability", ("observability_all",)),
    Call("", "POST", "/observability/v1/metrics", "observability", ("observability_all",)),
    Call("", "POST", "/observability/v1/logs", "observability", ("observability_all",)),
    Call("", "POST", "/sast/scan", "sast", ("security_scans",)),
]
CALLS: Final = [*calls(), *OTHERS]
HTTP: Final = [call for call in CALLS if not call.is_grpc]
SCOPED: Final = [call for call in HTTP if call.any_of]
GRPC: Final = [call for call in CALLS if call.is_grpc]
STREAMING: Final = "/DuoWorkflow/ExecuteWorkflow"


def ask(client: HttpClient, call: Call, scopes: list[str] | None, issuer: str = "customers-dot") -> Answer:
    return client.ask(call.method, call.path, scopes, issuer=issuer, headers=dict(call.headers))


@pytest.mark.parametrize("call", SCOPED, ids=str)
def test_each_sufficient_scope_allows_an_instance_and_the_prefix_is_removed(client: HttpClient, call: Call) -> None:
    for scope in call.any_of:
        path = f"{call.path}?a=%2Fai&b=c%20d"
        answer = client.ask(call.method, path, [scope], headers=dict(call.headers))
        assert answer.status == 200, answer.body
        assert answer.json()["path"] == path.removeprefix(call.prefix)
        assert answer.json()["method"] == call.method
        seen = answer.echoed()
        assert seen["x-gitlab-authorized-unit-primitive"] == scope
        assert seen["x-gitlab-authorized-instance-id"] == INSTANCE
        assert seen["x-gitlab-authorized-realm"] == "self-managed"
        assert "x-gitlab-authorized-user-id" not in seen


@pytest.mark.parametrize("call", SCOPED, ids=str)
def test_all_other_scopes_together_are_refused_with_the_upstream_text(client: HttpClient, call: Call) -> None:
    answer = ask(client, call, [scope for scope in EVERY_SCOPE if scope not in call.any_of])
    assert (answer.status, answer.json()) == (
        403,
        {"error": call.text, "detail": call.text, "reason": "missing_scope", "request_id": answer.request_id},
    )


@pytest.mark.parametrize("call", [call for call in SCOPED if call.backend == "ai_gateway"], ids=str)
def test_a_user_token_is_allowed_where_upstream_allows_it(client: HttpClient, call: Call) -> None:
    answer = ask(client, call, list(call.any_of), "ai-gateway")
    if call.by_user:
        assert answer.status == 200, answer.body
        assert answer.echoed()["x-gitlab-authorized-user-id"] == USER
    else:
        assert (answer.status, answer.json()["reason"]) == (403, "token_type_not_allowed")


@pytest.mark.parametrize("call", [call for call in OTHERS if not call.public], ids=str)
def test_a_user_token_is_allowed_only_at_its_issuers_backend(client: HttpClient, call: Call) -> None:
    answer = ask(client, call, list(call.any_of), "ai-gateway")
    assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")


@pytest.mark.parametrize("call", [call for call in HTTP if call.public], ids=str)
def test_a_public_endpoint_needs_no_token_and_gets_no_identity(client: HttpClient, call: Call) -> None:
    answer = client.ask(call.method, call.path)
    assert answer.status == 200
    assert not [name for name in answer.echoed() if name.startswith("x-gitlab-authorized-")]


@pytest.mark.parametrize("path", [gone.path for gone in removed()])
def test_what_upstream_has_removed_is_gone(client: HttpClient, path: str) -> None:
    answer = client.ask("POST", f"/ai{path}", EVERY_SCOPE)
    since = next(gone.since for gone in removed() if gone.path == path)
    assert (answer.status, answer.json()["detail"]) == (410, f"This endpoint was removed on {since}")


def metadata(client: HttpClient, call: Call, scopes: list[str] | None, issuer: str = "customers-dot") -> Metadata:
    return tuple(client.headers(call.path, scopes, issuer).items())


@pytest.mark.parametrize("call", GRPC, ids=str)
def test_a_grpc_method_is_allowed_with_each_sufficient_scope_and_refused_without(
    door: Door, client: HttpClient, call: Call
) -> None:
    with grpc_client(door.plain) as grpc_calls:
        if call.public:
            assert grpc_calls.call(call.path, b"", metadata(client, call, None)), "the backend's health"
            return
        for scopes in [[scope] for scope in call.any_of] or [[]]:
            assert granted(grpc_calls, call, metadata(client, call, scopes)) == ",".join(scopes)
        unauthenticated = (grpc.StatusCode.UNAUTHENTICATED, "No authorization header presented")
        assert grpc_calls.refusal(call.path, metadata(client, call, None)) == unauthenticated
        if call.any_of:
            others = [scope for scope in EVERY_SCOPE if scope not in call.any_of]
            denied = (grpc.StatusCode.PERMISSION_DENIED, call.text)
            assert grpc_calls.refusal(call.path, metadata(client, call, others)) == denied
        _ask_as_a_user(grpc_calls, client, call)


def granted(grpc_calls: GrpcClient, call: Call, sent: Metadata) -> str:
    """Return the unit primitive that the backend was told, empty for none; a refused call raises."""
    if call.path == STREAMING:
        stream = grpc_calls.stream(call.path, sent)
        answer = stream.receive()
        stream.close()
    else:
        answer = grpc_calls.call(call.path, b"", sent)
    seen = json.loads(answer or b"{}")
    assert seen["path"] == call.path
    return str(dict(seen["metadata"]).get("x-gitlab-authorized-unit-primitive", ""))


def _ask_as_a_user(grpc_calls: GrpcClient, client: HttpClient, call: Call) -> None:
    mine = metadata(client, call, list(call.any_of), USER_ISSUERS[call.backend][0])
    if call.by_user:
        assert granted(grpc_calls, call, mine) == ",".join(call.any_of[:1])
    else:
        assert grpc_calls.refusal(call.path, mine)[0] is grpc.StatusCode.PERMISSION_DENIED


def test_nothing_that_is_refused_reaches_a_backend(door: Door, client: HttpClient) -> None:
    with door.no_request_at_backends():
        for call in SCOPED:
            assert ask(client, call, ["no_such_scope"]).status in {400, 403}
            assert ask(client, call, None).status == 401


def test_both_endpoints_of_a_backend_get_requests(client: HttpClient) -> None:
    names = {client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).json()["name"] for _ in range(40)}
    assert names == {"ai_gateway-1", "ai_gateway-2"}
