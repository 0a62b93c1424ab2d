"""Describes the request that reached a sample backend, for its answer."""

import json
from collections.abc import Iterable


class Echo:
    """One backend's name and its number of requests, without health checks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0

    def count(self) -> None:
        """Count one request, as soon as it arrives."""
        self.requests += 1

    def health(self) -> bytes:
        """Return the body of `GET /health`."""
        return json.dumps({"name": self.name, "requests": self.requests}).encode()

    def of_http(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body_bytes: int) -> bytes:
        """Return JSON with the request line and the headers in their order; `path` has its query, byte for byte."""
        return self._render(
            method, path, "headers", [[_text(name).lower(), _text(v)] for name, v in headers], body_bytes
        )

    def of_grpc(self, path: str, metadata: Iterable[tuple[str, str | bytes]], body_bytes: int) -> bytes:
        """Return the same for a gRPC call, whose headers gRPC calls metadata."""
        return self._render("POST", path, "metadata", [[name, _text(value)] for name, value in metadata], body_bytes)

    def _render(self, method: str, path: str, kind: str, pairs: list[list[str]], body_bytes: int) -> bytes:
        seen = {"name": self.name, "method": method, "path": path, kind: pairs, "body_bytes": body_bytes}
        return json.dumps(seen).encode()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
