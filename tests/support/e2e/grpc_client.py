"""A gRPC client without generated code: bytes in, bytes out."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

SECONDS = 20.0
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A call that is open in both directions."""

    _call: Any  # Any: the stubs know neither its iterator nor its status
    _outgoing: queue.SimpleQueue[bytes | None]

    def send(self, message: bytes) -> None:
        """Send one message."""
        self._outgoing.put(message)

    def receive(self) -> bytes | None:
        """Return the next message, or None at the end. Raises grpc.RpcError if the call failed."""
        received: bytes | None = next(self._call, None)
        return received

    def close(self) -> None:
        """End the outgoing messages."""
        self._outgoing.put(None)

    def code(self) -> grpc.StatusCode:
        """Wait for the end of the call and return its status."""
        code: grpc.StatusCode = self._call.code()
        return code


@dataclass(frozen=True, slots=True)
class GrpcClient:
    """Makes calls over one connection."""

    _channel: grpc.Channel
    _streams: list[Stream] = field(default_factory=list)

    def call(self, method: str, message: bytes, metadata: Metadata) -> bytes:
        """Send one message and return the answer. Raises grpc.RpcError."""
        answer: bytes = self._channel.unary_unary(method, _as_is, _as_is)(message, metadata=metadata, timeout=SECONDS)
        return answer

    def refusal(self, method: str, metadata: Metadata) -> tuple[grpc.StatusCode, str]:
        """Return status and message of a call that must fail."""
        try:
            answer = self.call(method, b"", metadata)
        except grpc.RpcError as refused:
            call: Any = refused  # Any: it is a grpc.Call too, which the stubs cannot say
            return call.code(), call.details()
        raise AssertionError(f"{method} was allowed and answered {answer!r}")

    def stream(self, method: str, metadata: Metadata, seconds: float = SECONDS) -> Stream:
        """Open a streaming call, which ends after `seconds` at the latest."""
        outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        opened = self._channel.stream_stream(method, _as_is, _as_is)(
            iter(outgoing.get, None), metadata=metadata, timeout=seconds
        )
        self._streams.append(Stream(opened, outgoing))
        return self._streams[-1]

    def close(self) -> None:
        """End the outgoing messages of all streams, so that their threads end."""
        for stream in self._streams:
            stream.close()


@contextmanager
def grpc_client(port: int) -> Iterator[GrpcClient]:
    """Connect a client to the door while the block runs."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = GrpcClient(channel)
        try:
            yield client
        finally:
            client.close()


def _as_is(message: bytes) -> bytes:
    return message
