"""How Envoy handles `error_response`: why authz answers its own failures with a denial (ADR 0016)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from authz.deciding._proto.external_auth_pb2 import CheckResponse, DeniedHttpResponse
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import Envoy
from tests.support.e2e.stub_authz import StubAuthz, bootstrap_edits, serving

COMPLETIONS: Final = "/ai/v2/code/completions"
DENIAL: Final = DeniedHttpResponse(status={"code": 503}, body="broken").SerializeToString()
ERROR: Final = CheckResponse(status={"code": 14}).SerializeToString() + bytes((5 << 3 | 2, len(DENIAL))) + DENIAL
"""`error_response` is field 5 of CheckResponse, of the same type as `denied_response`; our messages do not have it."""


@contextmanager
def answering(door: Door, name: str, *edits: tuple[str, str]) -> Iterator[tuple[StubAuthz, Envoy]]:
    """Run an Envoy whose authz gives that answer to every check."""
    socket = door.folder / "run" / "authz" / f"{name}.sock"
    authz = StubAuthz(CheckResponse.FromString(ERROR))
    authz.may_answer.set()
    with serving(authz, socket), door.another_envoy(name, (*bootstrap_edits(socket), *edits)) as envoy:
        yield authz, envoy


def counted(envoy: Envoy, what: str) -> int:
    return sum(envoy.admin.counters(rf"\.ext_authz\.authz\.{what}$").values())


def test_an_error_response_is_counted_and_not_retried_at_another_worker(door: Door, client: HttpClient) -> None:
    with answering(door, "error-response") as (authz, envoy), door.no_request_at_backends():
        answer = HttpClient(envoy.plain, client.mint).ask("POST", COMPLETIONS, ["complete_code"])
        assert answer.status == 503
        assert len(authz.checks) == 1, "a retry would be a second check"
        assert counted(envoy, "error") > 0
        assert counted(envoy, "denied") == 0


def test_an_error_response_allows_requests_where_envoy_fails_open(door: Door, client: HttpClient) -> None:
    """A denial refuses whatever Envoy's failure_mode_allow is; this is the reason not to use error_response."""
    with answering(door, "error-open", ("failure_mode_allow: false", "failure_mode_allow: true")) as (_, envoy):
        assert HttpClient(envoy.plain, client.mint).ask("POST", COMPLETIONS).status == 200
