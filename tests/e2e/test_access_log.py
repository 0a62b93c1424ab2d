"""The access log has one JSON line for each request, with what operators need and without secrets."""

import json
from typing import Final

from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.minting import INSTANCE, SEATS, USER
from tests.support.tiers import tier_of

COMPLETIONS: Final = "/ai/v2/code/completions"


def test_the_line_of_an_allowed_request_names_caller_feature_and_backend(door: Door, client: HttpClient) -> None:
    answer = client.ask("POST", COMPLETIONS, ["complete_code"], headers={"user-agent": "a-client/1"})
    line = door.log_line(answer.request_id)
    expected = {
        "outcome": "allowed",
        "reason": "allowed",
        "backend_service": "ai_gateway",
        "unit_primitive": "complete_code",
        "token_type": "instance",
        "issuer": "customers-dot",
        "realm": "self-managed",
        "tier": tier_of(SEATS),
        "instance_id": INSTANCE,
        "limited_instance_id": INSTANCE,
        "limited_namespace_id": None,
        "user_id": USER,
        "method": "POST",
        "path": COMPLETIONS,
        "status": 200,
        "details": "via_upstream",
        "route": "ai",
        "cluster": "ai_gateway",
        "attempts": 1,
        "client": "127.0.0.1",
        "protocol": "HTTP/1.1",
        "user_agent": "a-client/1",
    }
    assert {name: line[name] for name in expected} == expected
    assert int(line["authz_us"]) > 0
    assert line["upstream"].startswith("127.0.0.1:")


def test_the_line_of_a_customer_of_gitlab_com_names_the_root_namespace(door: Door, client: HttpClient) -> None:
    claims = {"gitlab_root_namespace_id": 9970}
    line = door.log_line(
        client.ask("POST", COMPLETIONS, ["complete_code"], issuer="gitlab-com", claims=claims).request_id
    )
    assert (line["realm"], line["limited_instance_id"], line["limited_namespace_id"]) == ("saas", None, "9970")


def test_the_line_of_a_refusal_has_the_reason_but_no_identity(door: Door, client: HttpClient) -> None:
    line = door.log_line(client.ask("POST", COMPLETIONS, ["duo_chat"]).request_id)
    assert (line["outcome"], line["reason"], line["backend_service"]) == ("denied", "missing_scope", "ai_gateway")
    assert (line["flags"], line["upstream"], line["attempts"]) == ("UAEX", None, 0)
    assert (line["instance_id"], line["user_id"], line["tier"]) == (None, None, None)


def test_no_line_holds_a_token_or_a_query(door: Door, client: HttpClient) -> None:
    token = client.mint.token(claims={"scopes": ["complete_code"]})
    for path in (COMPLETIONS, "/ai/v9/nothing", "/nowhere", "/ai/v2/code%252fcompletions"):
        answer = client.ask("POST", f"{path}?secret=s3cr3t", headers={"authorization": f"Bearer {token}"})
    door.log_line(client.ask("POST", COMPLETIONS).request_id)
    log = json.dumps(list(door.envoy.log_lines()))
    assert answer.status == 400
    assert token not in log
    assert token.rpartition(".")[2] not in log
    assert "s3cr3t" not in log
    assert "Bearer" not in log


def test_what_a_client_chooses_cannot_flood_or_forge_the_log(door: Door, client: HttpClient) -> None:
    forged = 'x","outcome":"allowed","y":"' + "a" * 2000
    answer = client.ask("POST", COMPLETIONS, headers={"user-agent": forged, "x-gitlab-version": forged})
    line = door.log_line(answer.request_id)
    assert line["outcome"] == "denied"
    assert line["user_agent"] == forged[:256]
    assert line["gitlab_version"] == forged[:64]
