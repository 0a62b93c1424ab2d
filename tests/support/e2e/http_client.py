"""An HTTP client of the door with the tokens and headers of GitLab's clients, and a new request id each time."""

import http.client
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.support.minting import Minter, client_headers

SECONDS = 20
AUDIENCES = {
    "/ai": "gitlab-ai-gateway",
    "/auth": "gitlab-ai-gateway",
    "/grpc.health.v1.Health": "gitlab-duo-workflow-service",
    "/duo-workflow": "gitlab-duo-workflow-service",
    "/DuoWorkflow": "gitlab-duo-workflow-service",
    "/observability": "gitlab-observability-backend",
    "/sast": "gitlab-security-gateway",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; repeated headers are joined."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str

    def json(self) -> Any:  # Any: what a test expects
        """Return the parsed body."""
        return json.loads(self.body)

    def echoed(self) -> dict[str, str]:
        """Return the headers that the backend saw; repeated ones are joined."""
        seen: dict[str, str] = {}
        for name, value in self.json()["headers"]:
            seen[name] = f"{seen[name]},{value}" if name in seen else value
        return seen


@dataclass(frozen=True, slots=True)
class HttpClient:
    """Sends requests, each on a new connection."""

    port: int
    mint: Minter

    def headers(
        self,
        path: str,
        scopes: Sequence[str] | None = None,
        issuer: str = "customers-dot",
        claims: Mapping[str, object] | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> dict[str, str]:
        """Return the headers of a request; without `scopes` it has no token."""
        changed = {"x-request-id": uuid.uuid4().hex, **(overrides or {})}
        if scopes is None:
            return client_headers(None, issuer, changed)
        stated = {"scopes": list(scopes), "aud": audience(path), **(claims or {})}
        return client_headers(self.mint.token(issuer, stated), issuer, changed)

    def ask(
        self,
        method: str,
        path: str,
        scopes: Sequence[str] | None = None,
        *,
        issuer: str = "customers-dot",
        claims: Mapping[str, object] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
        source: str = "",
    ) -> Answer:
        """Send one request and read its answer; `source` is the client's address, if given."""
        sent = self.headers(path, scopes, issuer, claims, headers)
        origin = (source, 0) if source else None
        connected = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS, source_address=origin)
        with closing(connected) as connection:
            connection.request(method, path, body=body, headers=sent)
            with connection.getresponse() as answer:
                received = {name.lower(): str(answer.getheader(name)) for name in answer.headers}
                return Answer(answer.status, received, answer.read(), sent.get("x-request-id", ""))


def audience(path: str) -> str:
    """Return the audience of a token for that path."""
    return next(value for prefix, value in AUDIENCES.items() if f"{path}/".startswith(f"{prefix}/"))
