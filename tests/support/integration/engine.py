"""Runs the gRPC server in a thread of this process, with test checks and a client that sends single frames."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

import grpc
import h2.config
import h2.connection
import h2.events

from authz.server.health import SERVICE
from authz.server.loop import Bounds
from authz.server.server import Server
from authz.server.tls import Security

CHECK: Final = f"/{SERVICE}/Check"
HEALTH: Final = "/grpc.health.v1.Health/Check"
SECONDS: Final = 20.0
"""Longer than any answer takes, so that a hang becomes a failure."""
WIDE: Final = Bounds(max_in_flight=10_000, max_age=SECONDS)
READ: Final = 65_536


def until(holds: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait for a condition; return False if it is not met in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def echo(message: bytes) -> bytes:
    """Return the request."""
    return message


def ask(channel: grpc.Channel, message: bytes, path: str = CHECK) -> bytes:
    """Return the answer to one message."""
    answer: bytes = channel.unary_unary(path, bytes, bytes)(message, timeout=SECONDS)
    return answer


class Gate:
    """A check that echoes; its first request waits until `open` is set."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.seen: list[bytes] = []

    def __call__(self, message: bytes) -> bytes:
        """Answer one request."""
        self.seen.append(message)
        if not self.entered.is_set():
            self.entered.set()
            assert self.open.wait(SECONDS)
        return message


@dataclass(slots=True)
class Served:
    """A running server, its heartbeats, refusals and exceptions."""

    server: Server
    addresses: list[str]
    thread: threading.Thread
    beats: list[float]
    refusals: list[float]
    raised: list[BaseException]

    @property
    def address(self) -> str:
        """The first address."""
        return self.addresses[0]

    def is_idle(self) -> bool:
        """Whether no check is in flight."""
        return self.server.in_flight() == 0

    def stop(self, grace: float = SECONDS) -> None:
        """Stop, and wait for the end of `run`."""
        self.server.stop(grace)
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "run did not return"


@contextmanager
def serving(
    check: Callable[[bytes], bytes],
    *addresses: str,
    bounds: Bounds = WIDE,
    grace: float = SECONDS,
    security: Security | None = None,
) -> Iterator[Served]:
    """Run a server while the block runs; without an address on a free port of 127.0.0.1."""
    beats: list[float] = []  # append is atomic
    refusals: list[float] = []
    raised: list[BaseException] = []
    server = Server(
        check, bounds, lambda: beats.append(time.monotonic()), lambda: refusals.append(time.monotonic()), security
    )

    def run() -> None:
        try:
            server.run()
        except BaseException as error:  # noqa: BLE001  the test checks it
            raised.append(error)

    bound = server.start(addresses or ["127.0.0.1:0"])
    served = Served(server, bound, threading.Thread(target=run), beats, refusals, raised)
    served.thread.start()
    try:
        yield served
    finally:
        served.stop(grace)
        assert not raised, "run raised an exception"


def framed(message: bytes) -> bytes:
    """Return a message as gRPC frames it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@dataclass(slots=True)
class Answer:
    """The answer on a stream so far."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False

    @property
    def status(self) -> int | None:
        """The gRPC status, if it has arrived."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None


class RawClient:
    """A client that sends single frames, and waits only in the methods that say so."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=SECONDS / 2)
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._connection.initiate_connection()
        self._answers: dict[int, Answer] = {}
        self._pongs = 0
        self._flush()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection without a GOAWAY."""
        self._socket.close()

    def begin(self, path: str = CHECK, *, ends: bool = False, timeout: str | None = None) -> int:
        """Open a call and return its stream."""
        stream: int = self._connection.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "authz")]
        headers += [("content-type", "application/grpc"), ("te", "trailers")]
        headers += [("grpc-timeout", timeout)] if timeout else []
        self._connection.send_headers(stream, headers, end_stream=ends)
        self._answers[stream] = Answer()
        self._flush()
        return stream

    def begin_with(self, data: bytes, path: str = CHECK) -> int:
        """Open a call, send its whole body, and return its stream."""
        stream = self.begin(path)
        self.send(stream, data)
        return stream

    def send(self, stream: int, data: bytes, *, ends: bool = True) -> None:
        """Send bytes of a call's body."""
        self._connection.send_data(stream, data, end_stream=ends)
        self._flush()

    def cancel(self, stream: int) -> None:
        """Cancel a call."""
        self._connection.reset_stream(stream, error_code=8)
        self._flush()

    def settle(self) -> None:
        """Wait until the server has read all that was sent."""
        self._connection.ping(b"whatever")
        self._flush()
        before = self._pongs
        while self._pongs == before:
            self._read()

    def answer(self, stream: int) -> Answer:
        """Wait for the end of a call."""
        while not self._answers[stream].ended:
            self._read()
        return self._answers[stream]

    def rest(self) -> bytes:
        """Return the bytes that arrive until the server closes the connection."""
        came = b""
        with suppress(ConnectionResetError):
            while data := self._socket.recv(READ):
                came += data
        return came

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())

    def _read(self) -> bool:
        try:
            data = self._socket.recv(READ)
        except ConnectionError:
            data = b""
        for event in self._connection.receive_data(data) if data else ():
            self._handle(event)
        if data:
            self._flush()
        return bool(data)

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.PingAckReceived():
                self._pongs += 1
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                self._answers[event.stream_id].headers.update((str(name), str(value)) for name, value in event.headers)
            case h2.events.DataReceived():
                self._answers[event.stream_id].body += event.data
                self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded() | h2.events.StreamReset():
                self._answers[event.stream_id].ended = True
            case _:
                pass
