"""When a worker is full Envoy asks another; when all are full clients get 503, and no request is allowed."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from typing import Final, NoReturn

import grpc
import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.serving.supervision.endpoints import EndpointsFile
from tests.support.e2e.chains import write_keys_and_anchors
from tests.support.e2e.concurrent_clients import concurrent_clients
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.load import Seen, questions, show
from tests.support.e2e.processes import Service
from tests.support.e2e.stub_authz import StubAuthz, serving
from tests.support.minting import Minter

WORKERS: Final = 2
HELD: Final = 2
"""Checks that a worker accepts at once; a burst has many more."""
CLIENTS: Final = 150
BURSTS: Final = 10
TRIES: Final = 4
"""Envoy's attempts for each check: one, and three retries."""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door whose workers accept few checks at once."""
    serve = partial(Service, workers=WORKERS, flags=("--max-in-flight", str(HELD)))
    with open_door(tmp_path_factory.mktemp("narrow"), write_keys_and_anchors, serve) as opened:
        opened.wait_until(lambda: opened.envoy.healthy("authz") == WORKERS, "every worker, as Envoy sees it")
        yield opened


def counted(door: Door, name: str) -> int:
    """Return a counter of Envoy's cluster of workers."""
    return sum(door.envoy.admin.counters(rf"^cluster\.authz\.{name}$").values())


def overloads(door: Door) -> int:
    return door.authz.counted("authz_overload_refusals_total")


def test_clients_are_refused_only_when_all_workers_are_full(
    narrow: Door, mint: Minter, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = cycle(questions(HttpClient(narrow.plain, mint)))
    before, seen = narrow.requests_seen(), Seen()
    with concurrent_clients(narrow.plain, CLIENTS) as clients:
        for _ in range(BURSTS):
            burst = list(islice(asked, CLIENTS))
            for question, (status, answer) in zip(burst, clients.ask(burst), strict=True):
                seen.note(question, status, answer)
                assert status != 503 or json.loads(answer)["reason"] == "not_ready"
    show(capsys, f"bursts of {CLIENTS} at {WORKERS} workers that accept {HELD}: {seen.summary()}")
    assert (seen.wrong_allows, seen.wrong_refusals, seen.unanswered) == (0, 0, 0), seen.found()
    assert narrow.requests_seen() - before == seen.allowed, "backends got other requests than the allowed ones"
    assert seen.allowed > 0
    assert seen.refused > 0
    assert seen.server_errors > 0, "that was no overload"
    # Workers refused each 503 as often as Envoy tries; every other retry succeeded.
    tries, given_up = counted(narrow, "upstream_rq_total"), counted(narrow, "upstream_rq_retry_limit_exceeded")
    assert given_up == seen.server_errors
    narrow.wait_until(lambda: overloads(narrow) == tries - seen.allowed - seen.refused, "the workers' last counts")
    assert overloads(narrow) >= TRIES * given_up
    assert counted(narrow, "upstream_rq_retry_success") > 0


def test_after_a_burst_every_worker_is_asked_again_at_once(narrow: Door, mint: Minter) -> None:
    """2026-11-22: Envoy treated a full worker as a broken one, and did not ask it for seconds."""
    assert counted(narrow, "membership_healthy") == WORKERS
    assert counted(narrow, "outlier_detection.ejections_enforced_total") == 0
    client, full = HttpClient(narrow.plain, mint), overloads(narrow)
    for _ in range(2 * WORKERS):
        assert client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).status == 200
        assert client.ask("POST", "/ai/v2/code/completions", ["duo_chat"]).status == 403
    assert overloads(narrow) == full


class Full(StubAuthz):
    """A worker that is always full."""

    __slots__ = ()

    def check(self, request: bytes, context: grpc.ServicerContext) -> NoReturn:
        """Refuse the check."""
        self.checks.append(request)
        context.abort(grpc.StatusCode.UNAVAILABLE, "too many checks in flight")


def test_clients_do_not_notice_one_full_worker(narrow: Door, mint: Minter) -> None:
    full, socket = Full(CheckResponse()), narrow.folder / "run" / "authz" / "full.sock"
    endpoints = EndpointsFile(socket.with_suffix(".json"))
    endpoints.write([f"unix:{socket}", "unix:run/authz/0.sock"])
    edits = (("path: run/authz/endpoints.json", f"path: {socket.with_suffix('.json')}"),)
    before, allowed = narrow.requests_seen(), 0
    with serving(full, socket), narrow.another_envoy("full", edits) as envoy:
        client = HttpClient(envoy.plain, mint)
        narrow.wait_until(lambda: envoy.healthy("authz") == WORKERS, "both")
        while len(full.checks) < 10 * TRIES:
            assert client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).status == 200
            assert client.ask("POST", "/ai/v2/code/completions", ["duo_chat"]).status == 403
            allowed += 1
        assert envoy.healthy("authz") == WORKERS
    assert narrow.requests_seen() - before == allowed
