"""Every endpoint through the whole door: allowed with its scope, refused without."""

from typing import Final, NamedTuple

import pytest
import yaml

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.minting import INSTANCE, USER
from tests.support.repository import ROOT

EVERY_SCOPE: Final = sorted(file.stem for file in (ROOT / "authz/data/catalog/unit_primitives").glob("*.yml"))


class Endpoint(NamedTuple):
    """One row; `named` is the header X-Gitlab-Unit-Primitive, and an empty `needs` means a public endpoint."""

    method: str
    path: str
    needs: str
    named: str | None
    tokens: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" for {self.named}" if self.named else "")


def ai_gateway() -> list[Endpoint]:
    """Read the table with which the decisions are tested, too."""
    table = yaml.safe_load((ROOT / "tests/cases/ai_gateway_endpoints.yaml").read_text("utf-8"))["endpoints"]
    return [
        Endpoint(method, path, named or each.get("needs", ""), named, each.get("tokens", "any"))
        for each in table
        for method, path in [each["request"].split(" ", 1)]
        for named in each.get("served", [None])
    ]


OTHERS: Final = [
    Endpoint("POST", "/duo-workflow/v1/workflows", "duo_workflow_execute_workflow", None, "foreign"),
    Endpoint("GET", "/duo-workflow/v1/workflows/7/events", "duo_workflow_execute_workflow", None, "foreign"),
    Endpoint("POST", "/duo-workflow/v1/token", "duo_workflow_generate_token", None, "foreign"),
    Endpoint("GET", "/duo-workflow/monitoring/healthz", "", None, "none"),
    Endpoint("POST", "/observability/v1/traces", "observability_all", None, "foreign"),
    Endpoint("POST", "/observability/v1/metrics", "observability_all", None, "foreign"),
    Endpoint("POST", "/observability/v1/logs", "observability_all", None, "foreign"),
    Endpoint("POST", "/sast/scan", "security_scans", None, "foreign"),
]
ENDPOINTS: Final = [*ai_gateway(), *OTHERS]
GUARDED: Final = [each for each in ENDPOINTS if each.needs]


def test_the_table_has_every_row_of_the_ai_gateway() -> None:
    paths = [each.path for each in ENDPOINTS]
    assert sum(path.startswith("/ai/v1/prompts/") for path in paths) == 24
    assert sum(path.startswith("/ai/v1/chat/") for path in paths) == 7
    assert sum(path.startswith("/ai/v1/proxy/anthropic/") for path in paths) == 27
    assert sum(path.startswith("/ai/v1/proxy/vertex-ai/") for path in paths) == 27
    assert sum(path.startswith("/ai/") for path in paths) == 24 + 7 + 27 + 27 + 14


@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
def test_its_scope_allows_an_instance_and_the_prefix_is_removed(client: HttpClient, endpoint: Endpoint) -> None:
    answer = client.ask(
        endpoint.method,
        f"{endpoint.path}?a=%2Fai&b=c%20d",
        [endpoint.needs],
        headers={"x-gitlab-unit-primitive": endpoint.named},
    )
    assert answer.status == 200, answer.body
    prefix = "/" + endpoint.path.split("/")[1]
    assert answer.json()["path"] == endpoint.path.removeprefix(prefix) + "?a=%2Fai&b=c%20d"
    assert answer.json()["method"] == endpoint.method
    seen = answer.echoed()
    assert seen["x-gitlab-authorized-unit-primitive"] == endpoint.needs
    assert seen["x-gitlab-authorized-instance-id"] == INSTANCE
    assert seen["x-gitlab-authorized-realm"] == "self-managed"
    assert "x-gitlab-authorized-user-id" not in seen


@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
def test_all_other_scopes_together_do_not_allow_an_instance(client: HttpClient, endpoint: Endpoint) -> None:
    others = [scope for scope in EVERY_SCOPE if scope != endpoint.needs]
    answer = client.ask(endpoint.method, endpoint.path, others, headers={"x-gitlab-unit-primitive": endpoint.named})
    assert (answer.status, answer.json()) == (
        403,
        {
            "error": f"Unauthorized to access {endpoint.needs}",
            "reason": "missing_scope",
            "request_id": answer.request_id,
        },
    )


@pytest.mark.parametrize("endpoint", [each for each in GUARDED if each.tokens == "any"], ids=str)
def test_a_user_token_opens_what_takes_any_token(client: HttpClient, endpoint: Endpoint) -> None:
    answer = client.ask(
        endpoint.method,
        endpoint.path,
        [endpoint.needs],
        issuer="ai-gateway",
        headers={"x-gitlab-unit-primitive": endpoint.named},
    )
    assert answer.status == 200, answer.body
    assert answer.echoed()["x-gitlab-authorized-user-id"] == USER


@pytest.mark.parametrize("endpoint", [each for each in GUARDED if each.tokens == "instance"], ids=str)
def test_a_user_token_does_not_open_what_takes_instance_tokens(client: HttpClient, endpoint: Endpoint) -> None:
    answer = client.ask(endpoint.method, endpoint.path, [endpoint.needs], issuer="ai-gateway")
    assert (answer.status, answer.json()["reason"]) == (403, "token_type_not_allowed")


@pytest.mark.parametrize("endpoint", OTHERS[:3] + OTHERS[4:], ids=str)
def test_a_user_token_opens_no_backend_but_its_issuers(client: HttpClient, endpoint: Endpoint) -> None:
    answer = client.ask(endpoint.method, endpoint.path, [endpoint.needs], issuer="ai-gateway")
    assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if not each.needs], ids=str)
def test_a_public_endpoint_needs_no_token_and_gets_no_identity(client: HttpClient, endpoint: Endpoint) -> None:
    answer = client.ask(endpoint.method, endpoint.path)
    assert answer.status == 200
    assert not [name for name in answer.echoed() if name.startswith("x-gitlab-authorized-")]


def test_nothing_that_is_refused_reaches_a_backend(door: Door, client: HttpClient) -> None:
    with door.no_request_at_backends():
        for endpoint in GUARDED:
            assert client.ask(endpoint.method, endpoint.path, ["no_such_scope"]).status in {400, 403}
            assert client.ask(endpoint.method, endpoint.path).status == 401


def test_both_endpoints_of_a_backend_get_requests(client: HttpClient) -> None:
    names = {client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).json()["name"] for _ in range(40)}
    assert names == {"ai_gateway-1", "ai_gateway-2"}
