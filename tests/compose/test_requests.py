"""Requests through the published port are allowed or refused, with both kinds of tokens."""

from dataclasses import replace

import pytest

from tests.support.compose.client import Caller, Client

ISSUERS = ("customers-dot", "ai-gateway")


@pytest.mark.parametrize("issuer", ISSUERS)
def test_a_good_token_reaches_the_backend(client: Client, customer: Caller, issuer: str) -> None:
    answer = client.ask(replace(customer, issuer=issuer))
    assert answer.status == 200, answer.body
    assert answer.json()["path"] == "/v2/code/completions"
    assert answer.echoed()["x-gitlab-authorized-unit-primitive"] == "complete_code"
    assert answer.echoed()["x-gitlab-authorized-instance-id"] == customer.instance


@pytest.mark.parametrize("issuer", ISSUERS)
def test_a_token_without_the_scope_is_refused(client: Client, customer: Caller, issuer: str) -> None:
    answer = client.ask(replace(customer, issuer=issuer), scopes=("duo_chat",))
    assert (answer.status, answer.json()["reason"]) == (403, "missing_scope")


@pytest.mark.parametrize("issuer", ISSUERS)
def test_an_expired_token_is_refused(client: Client, customer: Caller, issuer: str) -> None:
    past = int(client.mint.now) - 7200
    answer = client.ask(replace(customer, issuer=issuer), claims={"iat": past, "nbf": past, "exp": past + 3600})
    assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")


def test_a_user_token_is_refused_where_an_instance_token_is_needed(client: Client, customer: Caller) -> None:
    path, scopes = "/ai/v2/code/generations", ("generate_code",)
    assert client.ask(customer, path, scopes).status == 200
    answer = client.ask(replace(customer, issuer="ai-gateway"), path, scopes)
    assert (answer.status, answer.json()["reason"]) == (403, "token_type_not_allowed")


def test_a_request_without_a_token_is_refused(client: Client, customer: Caller) -> None:
    answer = client.ask(customer, scopes=None)
    assert (answer.status, answer.json()["reason"]) == (401, "missing_authorization")


def test_another_instances_token_is_refused(client: Client, customer: Caller, caller: Caller) -> None:
    answer = client.ask(customer, overrides={"x-gitlab-instance-id": caller.instance})
    assert (answer.status, answer.json()["reason"]) == (401, "header_mismatch")


@pytest.mark.parametrize(
    ("path", "scope", "audience"),
    [
        ("/observability/v1/traces", "observability_all", "gitlab-observability-backend"),
        ("/sast/scan", "security_scans", "gitlab-security-gateway"),
    ],
)
def test_a_token_is_good_for_its_backend_only(
    client: Client, customer: Caller, path: str, scope: str, audience: str
) -> None:
    assert client.ask(customer, path, (scope,)).status == 200
    assert client.ask(customer, claims={"aud": audience}).status == 401
