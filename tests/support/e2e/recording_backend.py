"""A gRPC backend that records every header and trailer of the requests that reach it."""

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

HEALTH = "/grpc.health.v1.Health/Check"
HEALTHY = b"\0\0\0\0\2\x08\x01"
READ = 65536


@dataclass(slots=True)
class Arrival:
    """Headers and trailers of one request."""

    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)


class RecordingBackend:
    """Answers every call with grpc-status 0, and Envoy's health checks with SERVING."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._connections: list[socket.socket] = []

    def accept(self) -> None:
        """Serve connections until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Close the socket and every connection."""
        for each in (self._socket, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self, connection: socket.socket) -> None:
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        server.initiate_connection()
        open_requests: dict[int, Arrival] = {}
        with suppress(OSError):
            connection.sendall(server.data_to_send())
            while data := connection.recv(READ):
                for event in server.receive_data(data):
                    self._handle(event, server, open_requests)
                connection.sendall(server.data_to_send())

    def _handle(self, event: h2.events.Event, server: h2.connection.H2Connection, requests: dict[int, Arrival]) -> None:
        match event:
            case h2.events.RequestReceived():
                requests[event.stream_id or 0] = Arrival(headers=_texts(event.headers))
            case h2.events.TrailersReceived():
                requests[event.stream_id or 0].trailers = _texts(event.headers)
            case h2.events.StreamEnded():
                stream = event.stream_id or 0
                self._answer(server, stream, requests.pop(stream))
            case _:
                pass

    def _answer(self, server: h2.connection.H2Connection, stream: int, arrival: Arrival) -> None:
        server.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        if arrival.headers[":path"] == HEALTH:
            server.send_data(stream, HEALTHY)
        else:
            self.arrivals.put(arrival)
        server.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@contextmanager
def recording_backend() -> Iterator[RecordingBackend]:
    """Run one while the block runs."""
    listening = RecordingBackend()
    thread = threading.Thread(target=listening.accept, daemon=True)
    thread.start()
    try:
        yield listening
    finally:
        listening.close()
        thread.join()


def _texts(fields: object) -> dict[str, str]:
    assert isinstance(fields, list)
    return {str(name): str(value) for name, value in fields}
