"""However a path is escaped, the path that authz judges, Envoy routes and the backend receives is one.

GENERATED_PATHS=100000 sends that many; the usual run sends a few thousand.
"""

import http.client
import json
import os
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

import pytest

from tests.support.cases.case_file import EVERY_SCOPE
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient, audience
from tests.support.minting import client_headers
from tests.support.upstream import calls

COUNT: Final = int(os.environ.get("GENERATED_PATHS", "4000"))
BASES: Final = sorted(
    {call.path for call in calls() if not call.is_grpc}
    | {"/sast/scan", "/observability/v1/traces", "/duo-workflow/v1/workflows", "/ai/v1/prompts/chat/agent"}
)
SLASHES: Final = (
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "//",
    "/./",
    "%2f%2f",
    "%252f",
    "%255c",
    "%25252f",
    "/%2e/",
    "%2f.%2f",
)
INSERTED: Final = (
    *("/..", "/../", "..%2f", "%2e%2e%2f", "%2f..", "%2f..%2f", "..%5c", "%5c..%5c", "..%252f", "%2e%2e/", ".%2e/"),
    *("%2fsast%2f..", "/sast/..%2f..", "%2f..%2fobservability%2f..%2f", "/x%2f../", "/x%2f..%2f..%2f"),
    *(";", ";a=b", "%3b", "%3f", "?a=%2f..%2f", "#", "%23", "%00", "%0a", "%20", "%zz", "%", "%c3%28", "%e2%80%8b"),
)


class Seen(NamedTuple):
    """What became of a request: its answer, and where it arrived."""

    status: int
    backend: str
    received: str
    request_id: str


def generated(count: int) -> Iterator[str]:
    """Yield distinct variants of the paths that are served."""
    draw, known = random.Random(20261129), set[str]()  # noqa: S311  the same paths each time
    while len(known) < count:
        path = draw.choice(BASES)
        for _ in range(draw.randint(1, 4)):
            path = _twisted(path, draw)
        # What is no request line at all is for test_paths.py.
        if path not in known and " " not in path and path.isascii():
            known.add(path)
            yield path


def _twisted(path: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(path) + 1)
    match draw.randrange(4):
        case 0 | 1:
            slashes = [index for index, letter in enumerate(path) if letter == "/"]
            at = draw.choice(slashes) if slashes else 0
            return path[:at] + draw.choice(SLASHES) + path[at + 1 :] if at else f"/{draw.choice(SLASHES)}{path[1:]}"
        case 2:
            return path[:at] + draw.choice(INSERTED) + path[at:]
        case _:
            at = min(at, len(path) - 1)
            return f"{path[:at]}%{ord(path[at]):02{draw.choice('xX')}}{path[at + 1 :]}"


class Sender:
    """Sends requests over one connection, with a token that holds every scope of every backend."""

    def __init__(self, client: HttpClient) -> None:
        audiences = sorted({audience(path) for path in BASES})
        self._token = client.mint.token(claims={"scopes": EVERY_SCOPE, "aud": audiences})
        self._connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
        self._sent = 0

    def ask(self, path: str) -> Seen:
        self._sent += 1
        request_id = f"generated-{self._sent}"
        headers = client_headers(
            self._token, overrides={"x-request-id": request_id, "x-gitlab-unit-primitive": "duo_chat"}
        )
        self._connection.putrequest("POST", path, skip_accept_encoding=True)
        for name, value in {**headers, "content-length": "0"}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        with closing(self._connection.getresponse()) as answer:
            body = answer.read()
        echoed = json.loads(body) if answer.status == 200 else {}
        return Seen(answer.status, echoed.get("name", ""), echoed.get("path", "").partition("?")[0], request_id)

    def close(self) -> None:
        self._connection.close()


@pytest.mark.timeout(1_200)  # for 100,000 paths
def test_the_path_that_is_judged_routed_and_received_is_one(door: Door, client: HttpClient) -> None:
    http.client._contains_disallowed_url_pchar_re = http.client.re.compile("[\x00-\x20\x7f]")  # type: ignore[attr-defined]  # paths as they are
    with closing(Sender(client)) as sender:
        answers = {path: sender.ask(path) for path in generated(COUNT)}
        arrived = {path: seen for path, seen in answers.items() if seen.status == 200}
        assert len(arrived) > COUNT / 20, "the variants should reach backends"
        assert len(arrived) < COUNT * 19 / 20, "the variants should be refused too"
        last = next(reversed(arrived.values())).request_id
        door.wait_until(lambda: last in door.authz.decisions(), "the last decision in the log")
        judged = door.authz.decisions()
        for path, seen in arrived.items():
            decision = judged[seen.request_id]
            prefix = "/" + decision["path"].split("/")[1]
            assert decision["path"].removeprefix(prefix) == seen.received, path
            assert seen.backend.rpartition("-")[0] == decision["backend_service"] == decision["route_label"], path
            assert not {"%2f", "%5c", "%25", "\\", "//", "/./", "/../"} & _pieces(decision["path"]), path
        # If a variant reaches a backend, the plain path does too: an escape allows no further request.
        for plain in sorted({judged[seen.request_id]["path"] for seen in arrived.values()}):
            assert sender.ask(plain).status == 200, plain
        assert {seen.status for seen in answers.values()} <= {200, 400, 403, 404, 405, 410}


def _pieces(path: str) -> set[str]:
    lowered = path.lower()
    return {piece for piece in ("%2f", "%5c", "%25", "\\", "//", "/./", "/../") if piece in lowered}
