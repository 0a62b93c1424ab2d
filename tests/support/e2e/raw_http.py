"""Sends exactly the given bytes: client libraries correct the mistakes that must be refused."""

import http.client
import socket
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack

SECONDS = 10.0
HOST = "cloud.gitlab.com"
READ = 65536

Fields = list[tuple[str, str]]


@dataclass(slots=True)
class Reply:
    """The answer; `status` 0: the stream was reset or the connection closed without an answer."""

    peer: str
    """The client's address and port, as the access log writes them."""
    started: str
    """When it was sent, as the access log writes it, because ports are used again."""
    status: int = 0
    headers: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """Return the first value of a header or trailer."""
        return next((value for key, value in [*self.headers, *self.trailers] if key.lower() == name), None)


def http1(
    port: int,
    method: str,
    target: bytes,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    host: str = HOST,
) -> Reply:
    """Send one request over HTTP/1.1, on a new connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        reply = _reply(connection)
        lines = [b"%s %s HTTP/1.1" % (method.encode(), target), f"host: {host}".encode("latin-1"), b"connection: close"]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
        lines += [b"content-length: %d" % len(body)] if body or method == "POST" else []
        with suppress(ConnectionError):  # refused before all of it was sent; the answer may have arrived already
            connection.sendall(b"\r\n".join([*lines, b"", body]))
        with (
            suppress(ConnectionError, http.client.HTTPException),
            closing(http.client.HTTPResponse(connection, method=method)) as answer,
        ):
            answer.begin()
            reply.status, reply.headers, reply.body = answer.status, answer.getheaders(), answer.read()
        return reply


def http2(
    port: int, headers: Sequence[tuple[str, str]], body: bytes = b"", trailers: Sequence[tuple[str, str]] = ()
) -> Reply:
    """Send one request over HTTP/2 without TLS; `headers` includes pseudo-headers. Nothing is checked or corrected."""
    settings = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1"
    )
    client = h2.connection.H2Connection(settings)
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        reply = _reply(connection)
        client.encoder = _PlainText()
        client.initiate_connection()
        connection.sendall(client.data_to_send())
        _receive(connection, client, reply, until=h2.events.SettingsAcknowledged)
        client.send_headers(1, _bytes(headers), end_stream=not body and not trailers)
        if body:
            client.send_data(1, body, end_stream=not trailers)
        if trailers:
            client.send_headers(1, _bytes(trailers), end_stream=True)
        _receive(connection, client, reply, until=h2.events.StreamEnded)
        return reply


class _PlainText(hpack.Encoder):
    """Encodes without Huffman coding, which takes this library more than a minute for a megabyte."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:  # noqa: ARG002  # its signature
        """Encode without it."""
        return super().encode(headers, huffman=False)


def request2(method: str, path: str, headers: Iterable[tuple[str, str]] = (), host: str = HOST) -> Fields:
    """Return the header list of an HTTP/2 request."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
    return [*pseudo, *headers]


def _receive(
    connection: socket.socket, client: h2.connection.H2Connection, reply: Reply, until: type[h2.events.Event]
) -> None:
    """Read events into the reply until one of a kind, a reset, or the end of the connection."""
    ends = (until, h2.events.StreamReset, h2.events.ConnectionTerminated)
    try:
        connection.sendall(client.data_to_send())
        while data := connection.recv(READ):
            for event in client.receive_data(data):
                _add(event, client, reply)
                if isinstance(event, ends):
                    return
            connection.sendall(client.data_to_send())
    except ConnectionError:
        return


def _add(event: h2.events.Event, client: h2.connection.H2Connection, reply: Reply) -> None:
    match event:
        case h2.events.ResponseReceived():
            reply.headers = _texts(event.headers)
            reply.status = int(reply.header(":status") or 0)
        case h2.events.DataReceived():
            reply.body += event.data or b""
            client.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 1)
        case h2.events.TrailersReceived():
            reply.trailers = _texts(event.headers)
        case _:
            pass


def _bytes(fields: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def _texts(fields: Iterable[tuple[str | bytes, str | bytes]] | None) -> Fields:
    return [(_text(name), _text(value)) for name, value in fields or ()]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _reply(connection: socket.socket) -> Reply:
    host, port = connection.getsockname()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Reply(peer=f"{host}:{port}", started=now)
