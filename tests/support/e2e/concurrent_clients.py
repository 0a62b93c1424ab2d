"""Sends many requests at once, each on its own connection, which is kept for the next burst."""

import http.client
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.support.e2e.load import Question

SECONDS: Final = 20.0


class ConcurrentClients:
    """Clients that send their requests at the same time."""

    def __init__(self, connections: Sequence[socket.socket]) -> None:
        self._connections = connections

    def ask(self, questions: Sequence[Question]) -> list[tuple[int, str]]:
        """Send one request per client before reading any answer; return status and body of each."""
        sent = [_bytes(question) for question in questions]
        for connection, message in zip(self._connections, sent, strict=True):
            connection.sendall(message)
        return [_read(connection, question) for connection, question in zip(self._connections, questions, strict=True)]


def _bytes(question: Question) -> bytes:
    fixed = {"host": "cloud.gitlab.com", "content-length": "0"}
    headers = {**fixed, **question.headers, "x-request-id": uuid.uuid4().hex}
    lines = [f"{question.method} {question.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _read(connection: socket.socket, question: Question) -> tuple[int, str]:
    with http.client.HTTPResponse(connection, method=question.method) as answer:
        answer.begin()
        return answer.status, answer.read().decode("utf-8", "replace")


@contextmanager
def concurrent_clients(port: int, size: int) -> Iterator[ConcurrentClients]:
    """Connect that many clients to a listener on loopback while the block runs."""
    with ExitStack() as stack:
        each = (socket.create_connection(("127.0.0.1", port), timeout=SECONDS) for _ in range(size))
        yield ConcurrentClients([stack.enter_context(connection) for connection in each])
