"""Envoy limits what authz may change in a request, whatever it answers."""

from collections.abc import Iterator
from typing import Final

import pytest

from authz.deciding._proto.base_pb2 import HeaderValue, HeaderValueOption
from authz.deciding._proto.external_auth_pb2 import CheckResponse, OkHttpResponse
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.stub_authz import StubAuthz, bootstrap_edits, serving

IDENTITY: Final = "x-gitlab-authorized-realm"
REFUSED: Final = ("x-other", "authorization", "x-gitlab-realm", "x-gitlab-authorized-1", "host", ":path", ":method")


@pytest.fixture(scope="module")
def permissive(door: Door, client: HttpClient) -> Iterator[HttpClient]:
    """A client of a door whose authz allows everything and sets headers that ours never sets."""
    socket = door.folder / "run" / "authz" / "other.sock"
    headers = [HeaderValueOption(header=HeaderValue(key=name, value="set")) for name in (IDENTITY, *REFUSED)]
    authz = StubAuthz(CheckResponse(ok_response=OkHttpResponse(headers=headers)))
    authz.may_answer.set()
    with (
        serving(authz, socket),
        door.another_envoy("permissive", bootstrap_edits(socket)) as envoy,
    ):
        yield HttpClient(envoy.plain, client.mint)


def test_authz_can_set_identity_headers_and_nothing_else(permissive: HttpClient) -> None:
    """2026-11-22: no test of decoder_header_mutation_rules, without which authz may rewrite the whole request."""
    answer = permissive.ask("POST", "/ai/v2/code/completions", ["complete_code"])
    seen = answer.echoed()
    assert seen[IDENTITY] == "set"
    assert (answer.json()["method"], answer.json()["path"]) == ("POST", "/v2/code/completions")
    assert [name for name in REFUSED if seen.get(name) == "set"] == []
