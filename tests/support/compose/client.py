"""Clients of the compose stack: this machine, and containers with other addresses."""

import http.client
import json
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.e2e.http_client import SECONDS, Answer, HttpClient
from tests.support.minting import Minter

COMPLETIONS: Final = "/ai/v2/code/completions"
# Runs in a container of the door's network; method, path and headers come on stdin.
CONTAINERS_PROGRAM: Final = """
import http.client, json, ssl, sys
asked = json.load(sys.stdin)
trust = ssl.create_default_context(cadata=asked["authority"])
trust.check_hostname = False
connection = http.client.HTTPSConnection("envoy", 8443, context=trust, timeout=20)
connection.request(asked["method"], asked["path"], headers=asked["headers"])
answer = connection.getresponse()
print(json.dumps([answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()]))
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: an instance with its seats, and one of its users."""

    instance: str
    user: str = "user"
    seats: int = 0
    issuer: str = "customers-dot"

    def claims(self) -> dict[str, object]:
        """Return the token's claims about it."""
        subject = self.user if self.issuer == "ai-gateway" else self.instance
        return {"sub": subject, "gitlab_instance_id": self.instance, "duo_seat_count": str(self.seats)}

    def headers(self) -> dict[str, str]:
        """Return the headers that name instance and user."""
        return {"x-gitlab-instance-id": self.instance, "x-gitlab-global-user-id": self.user}

    def another_user(self, user: str) -> "Caller":
        """Return another user of the same instance."""
        return replace(self, user=user)


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to one Envoy over TLS from this machine, each on a new connection."""

    port: int
    authority: Path
    mint: Minter

    def ask(
        self,
        caller: Caller,
        path: str = COMPLETIONS,
        scopes: Sequence[str] | None = ("complete_code",),
        claims: Mapping[str, object] | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send one POST and read its answer; without scopes it has no token."""
        sent = self.headers(caller, path, scopes, claims, overrides)
        with closing(self.connection()) as connection:
            return sent_over(connection, path, sent)

    def connection(self) -> http.client.HTTPSConnection:
        """Return a connection that is not open yet."""
        trust = ssl.create_default_context(cafile=str(self.authority))
        return http.client.HTTPSConnection("localhost", self.port, timeout=SECONDS, context=trust)

    def headers(
        self,
        caller: Caller,
        path: str = COMPLETIONS,
        scopes: Sequence[str] | None = ("complete_code",),
        claims: Mapping[str, object] | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> dict[str, str]:
        """Return the headers of a request."""
        http_client = HttpClient(self.port, self.mint)
        stated = {**caller.claims(), **(claims or {})}
        return http_client.headers(path, scopes, caller.issuer, stated, {**caller.headers(), **(overrides or {})})

    @contextmanager
    def steady_load(self, caller: Caller) -> Iterator[Counter[str]]:
        """Send requests without a pause on one connection while the block runs; yields the counts of answers."""
        seen: Counter[str] = Counter()
        stop = threading.Event()
        headers = self.headers(caller)

        def ask() -> None:
            with closing(self.connection()) as connection:
                while not stop.is_set():
                    try:
                        seen[str(sent_over(connection, COMPLETIONS, headers).status)] += 1
                    except (OSError, http.client.HTTPException) as problem:
                        seen[repr(problem)] += 1
                        connection.close()

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield seen
        finally:
            stop.set()
            asking.join()


@dataclass(frozen=True, slots=True)
class ContainerClient:
    """A client with another address: a container in the door's network."""

    container: str
    client: Client

    def ask(self, caller: Caller, scopes: Sequence[str] | None = ("complete_code",)) -> Answer:
        """Send one POST from the container."""
        headers = self.client.headers(caller, COMPLETIONS, scopes)
        authority = self.client.authority.read_text("utf-8")
        asked = {"method": "POST", "path": COMPLETIONS, "headers": headers, "authority": authority}
        line = ["docker", "exec", "--interactive", self.container, "python3", "-c", CONTAINERS_PROGRAM]
        done = subprocess.run(line, input=json.dumps(asked), capture_output=True, text=True, check=True)
        status, received, body = json.loads(done.stdout)
        return Answer(status, received, body.encode(), headers["x-request-id"])


def sent_over(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> Answer:
    """Send one POST on a connection that stays open."""
    connection.request("POST", path, headers=dict(headers))
    with connection.getresponse() as answer:
        received = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, received, answer.read(), headers.get("x-request-id", ""))
