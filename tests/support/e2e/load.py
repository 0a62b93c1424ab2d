"""Sends steady load: clients on kept connections send requests with known answers and count the answers."""

import http.client
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final

import pytest

from tests.support.e2e.chains import chain_token
from tests.support.e2e.http_client import HttpClient
from tests.support.signing import key

CLIENTS: Final = 12
PAUSE: Final = 0.03
"""Seconds of each client between two requests, so that the machine is busy but not overloaded."""
SECONDS: Final = 20.0
VARIANTS: Final = 8
SHOWN: Final = 20
NO_ANSWER: Final = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A request and its expected status."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    status: int


def questions(client: HttpClient) -> list[Question]:
    """Return requests to allow and to refuse, each with several tokens, in turn."""
    return [question for _ in range(VARIANTS) for question in (*_allowed(client), *_refused(client))]


def _allowed(client: HttpClient) -> Iterator[Question]:
    def ask(name: str, method: str, path: str, scopes: list[str] | None, issuer: str = "customers-dot") -> Question:
        claims = {"jti": str(uuid.uuid4())}
        return Question(name, method, path, client.headers(path, scopes, issuer, claims), 200)

    yield ask("an instance", "POST", "/ai/v2/code/completions", ["complete_code"])
    yield ask("a user", "POST", "/ai/v2/chat/agent", ["duo_chat"], "ai-gateway")
    yield ask("another backend", "POST", "/sast/scan", ["security_scans"])
    yield ask("public", "GET", "/ai/monitoring/healthz", None)
    signed = {"authorization": f"Bearer {chain_token(client.mint)}"}
    path = "/ai/v2/code/completions"
    yield Question("certificates", "POST", path, client.headers(path, overrides=signed), 200)


def _refused(client: HttpClient) -> Iterator[Question]:
    path, scopes, now = "/ai/v2/code/completions", ["complete_code"], int(client.mint.now)
    forged = client.mint.token(claims={"jti": str(uuid.uuid4())}, key=key("an unknown key"))

    def ask(name: str, status: int, claims: Mapping[str, object], other: Mapping[str, str] | None = None) -> Question:
        stated = {"jti": str(uuid.uuid4()), **claims}
        return Question(name, "POST", path, client.headers(path, scopes, claims=stated, overrides=other), status)

    yield Question("no token", "POST", path, client.headers(path), 401)
    yield ask("expired", 401, {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600})
    yield ask("forged", 401, {}, {"authorization": f"Bearer {forged}"})
    yield ask("another's audience", 401, {"aud": "gitlab-security-gateway"})
    yield ask("another instance", 401, {}, {"x-gitlab-instance-id": str(uuid.uuid4())})
    yield ask("another scope", 403, {"scopes": ["duo_chat"]})
    nowhere = "/ai/v2/code/nothing"
    yield Question("no rule", "POST", nowhere, client.headers(nowhere, scopes), 404)


@dataclass(slots=True)
class Seen:
    """Counts of answers, and details of unexpected ones. Each client has its own; they are added up at the end."""

    allowed: int = 0
    refused: int = 0
    wrong_allows: int = 0
    wrong_refusals: int = 0
    server_errors: int = 0
    unanswered: int = 0
    details: list[str] = field(default_factory=list)

    def note(self, question: Question, status: int, answer: str) -> None:
        """Count one answer."""
        if status == question.status:
            self.allowed += status == http.HTTPStatus.OK
            self.refused += status != http.HTTPStatus.OK
            return
        self.details.append(f"{question.name}: {status} instead of {question.status}: {answer}")
        if status == NO_ANSWER:
            self.unanswered += 1
        elif status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            self.server_errors += 1
        elif status == http.HTTPStatus.OK:
            self.wrong_allows += 1
        else:
            self.wrong_refusals += 1

    def add(self, other: "Seen") -> None:
        """Add another client's counts."""
        for name in ("allowed", "refused", "wrong_allows", "wrong_refusals", "server_errors", "unanswered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.details += other.details

    def summary(self) -> str:
        """Return the counts in one line."""
        return (
            f"{self.allowed:,} allowed, {self.refused:,} refused as expected; wrong allows {self.wrong_allows}, wrong "
            f"refusals {self.wrong_refusals}, 5xx {self.server_errors}, unanswered {self.unanswered}"
        )

    def found(self) -> str:
        """Return the unexpected answers, the most frequent kinds first."""
        kinds = Counter(self.details).most_common(SHOWN)
        return "\n".join(f"{count} times {detail}" for detail, count in kinds)


class Load:
    """Sends the requests in turn, from several clients at once, until it is ended."""

    def __init__(self, port: int, asked: Sequence[Question]) -> None:
        self._port = port
        self._asked = asked
        self._ended = threading.Event()
        self._seen = [Seen() for _ in range(CLIENTS)]
        self.others = 0
        """Allowed requests of the test itself meanwhile."""

    def answers(self) -> int:
        """Return the number of expected answers so far."""
        return sum(seen.allowed + seen.refused for seen in self._seen)

    def run(self, client: int) -> None:
        """Run one client."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        seen = self._seen[client]
        start = client * len(self._asked) // CLIENTS
        try:
            for question in islice(cycle(self._asked), start, None):
                seen.note(question, *_ask(connection, question))
                if self._ended.wait(PAUSE):
                    return
        finally:
            connection.close()

    def end(self) -> None:
        """Let every client finish its request."""
        self._ended.set()

    def seen(self) -> Seen:
        """Return the counts of all clients."""
        total = Seen()
        for each in self._seen:
            total.add(each)
        return total


def _ask(connection: http.client.HTTPConnection, question: Question) -> tuple[int, str]:
    """Return status and body; after a connection without an answer the next request opens another."""
    headers = {**question.headers, "x-request-id": uuid.uuid4().hex}
    try:
        connection.request(question.method, question.path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read()[:200].decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return NO_ANSWER, type(error).__name__


def show(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print a line, whether or not the test passes."""
    with capsys.disabled():
        print(f"\n  {text}")  # noqa: T201  its purpose


@contextmanager
def loaded(port: int, asked: Sequence[Question]) -> Iterator[Load]:
    """Send load while the block runs."""
    load = Load(port, asked)
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(load.run, client) for client in range(CLIENTS)]
        try:
            yield load
        finally:
            load.end()
        for each in running:
            each.result(SECONDS)
