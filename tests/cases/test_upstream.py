"""Every endpoint, prompt and gRPC method of GitLab's public sources, as bytes that Envoy would send."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from tests.support.cases.case_file import EVERY_SCOPE
from tests.support.cases.door import Door
from tests.support.cases.expectation import CALLERS
from tests.support.minting import Minter, client_headers, request
from tests.support.upstream import USER_ISSUERS, Call, Removed, calls, fact, removed

MINTER: Final = Minter()
CALLS: Final = calls()
GUARDED: Final = [call for call in CALLS if not call.public]
SCOPED: Final = [call for call in GUARDED if call.any_of]


def answer(
    doors: Mapping[str, Door], call: Call | Removed, scopes: list[str] | None, issuer: str = "customers-dot"
) -> CheckResponse:
    path, method = (call.path, call.method) if isinstance(call, Call) else (f"/ai{call.path}", "POST")
    audience = CALLERS.backends[CALLERS.backend(path)].audience
    token = None if scopes is None else MINTER.token(issuer, {"scopes": scopes, "aud": audience})
    typed = {"content-type": "application/grpc"} if isinstance(call, Call) and call.is_grpc else {}
    named = call.headers if isinstance(call, Call) else {}
    headers = client_headers(token, issuer, {**typed, **named})
    found, _ = doors["shipped"].answer(request(path, method=method, headers=headers))
    return CheckResponse.FromString(found)


def body(response: CheckResponse) -> dict[str, Any]:  # Any: JSON
    assert response.status.code != 0
    found: dict[str, Any] = json.loads(response.denied_response.body)
    return found


@pytest.mark.parametrize("call", SCOPED, ids=str)
def test_each_sufficient_scope_allows_and_is_the_one_that_counts(doors: dict[str, Door], call: Call) -> None:
    for scope in call.any_of:
        response = answer(doors, call, [scope])
        assert response.status.code == 0
        assert response.dynamic_metadata.fields["unit_primitive"].string_value == scope


@pytest.mark.parametrize("call", SCOPED, ids=str)
def test_all_other_scopes_together_are_refused_with_the_upstream_text(doors: dict[str, Door], call: Call) -> None:
    response = answer(doors, call, [scope for scope in EVERY_SCOPE if scope not in call.any_of])
    found = body(response)
    assert (found["reason"], found["error"], found["detail"]) == ("missing_scope", call.text, call.text)
    assert response.denied_response.status.code == 403


@pytest.mark.parametrize("call", GUARDED, ids=str)
def test_a_request_without_a_token_is_refused(doors: dict[str, Door], call: Call) -> None:
    assert body(answer(doors, call, None))["reason"] == "missing_authorization"


@pytest.mark.parametrize("call", GUARDED, ids=str)
def test_a_user_token_of_the_backends_issuer_is_allowed_where_upstream_allows_it(
    doors: dict[str, Door], call: Call
) -> None:
    issuer, _ = USER_ISSUERS[call.backend]
    response = answer(doors, call, list(call.any_of), issuer)
    if call.by_user:
        assert response.status.code == 0
    else:
        assert body(response)["reason"] == "token_type_not_allowed"


@pytest.mark.parametrize("call", [call for call in CALLS if call.authenticated], ids=str)
def test_a_valid_token_without_any_scope_is_enough(doors: dict[str, Door], call: Call) -> None:
    response = answer(doors, call, [])
    assert response.status.code == 0
    assert "unit_primitive" not in response.dynamic_metadata.fields


@pytest.mark.parametrize("call", [call for call in CALLS if call.public], ids=str)
def test_a_public_endpoint_needs_no_token(doors: dict[str, Door], call: Call) -> None:
    response = answer(doors, call, None)
    assert (response.status.code, response.dynamic_metadata.fields["reason"].string_value) == (0, "public")


@pytest.mark.parametrize("gone", removed(), ids=lambda gone: gone.path)
def test_what_upstream_has_removed_is_gone(doors: dict[str, Door], gone: Removed) -> None:
    response = answer(doors, gone, EVERY_SCOPE)
    text = f"This endpoint was removed on {gone.since}"
    assert (response.denied_response.status.code, body(response)["detail"]) == (410, text)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_unknown_prompt_is_answered_in_upstreams_words(doors: dict[str, Door], version: str) -> None:
    call = Call("", "POST", f"/ai/{version}/prompts/chat/unheard-of", "ai_gateway")
    unknown = next(each["unknown_404"] for each in fact("endpoints")["endpoints"] if "unknown_404" in each)
    response = answer(doors, call, EVERY_SCOPE)
    assert body(response)["detail"] == unknown.replace("{prompt_id}", "chat/unheard-of")
    assert response.denied_response.status.code == 404


def test_the_facts_are_all_there() -> None:
    assert len(fact("prompts")["prompts"]) == 99
    assert [sum(f"/{version}/prompts/" in call.path for call in CALLS) for version in ("v1", "v2")] == [99, 99]
    assert sum(call.is_grpc for call in CALLS) == 8
    assert len(CALLS) > 300
