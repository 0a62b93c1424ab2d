"""The names of grpcio's private `cygrpc` that the server uses, with types. Nothing else imports it (ADR 8)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # private to grpcio, and without types: ADR 8

Tag = Callable[["Event"], None]
"""Called with the event that a request to gRPC's core led to."""


class Operation(Protocol):
    """One step of a call."""

    def message(self) -> bytes | None:
        """Return what a ReceiveMessage got: None where the call ended without a message."""


class Call(Protocol):
    """A call that a client has made."""

    def start_server_batch(self, operations: Sequence[Operation], tag: Tag) -> int:
        """Start steps of the call; the queue has one event when all of them are done."""

    def cancel(self) -> int:
        """Cancel the call."""

    def peer(self) -> bytes:
        """Return where the client is: `unix:` or an address."""


class PortCredentials(Protocol):
    """What gRPC uses for TLS on a port."""


class Details(Protocol):
    """What a call asks for."""

    method: bytes


class Event(Protocol):
    """Something that happened. Which attributes it has depends on what was asked for."""

    success: bool
    tag: Tag | None
    call: Call
    call_details: Details
    batch_operations: Sequence[Operation]


class Queue(Protocol):
    """Holds events; one thread at a time takes them."""

    def poll(self, deadline: float) -> Event:
        """Return the next event, or after `deadline` (system clock) one whose tag is None."""

    def shutdown(self) -> None:
        """Stop: nothing more will be asked for."""


class Listener(Protocol):
    """gRPC's own server: connections, HTTP/2 and the matching of calls."""

    def register_completion_queue(self, queue: Queue) -> None: ...
    def register_method(self, method: str) -> None: ...
    def add_http2_port(self, address: bytes, credentials: PortCredentials | None = None) -> int: ...
    def start(self) -> None: ...
    def request_call(self, call_queue: Queue, server_queue: Queue, tag: Tag) -> int: ...
    def request_registered_call(self, call_queue: Queue, server_queue: Queue, method: str, tag: Tag) -> int: ...
    def shutdown(self, queue: Queue, tag: Tag) -> None: ...
    def cancel_all_calls(self) -> None: ...
    def destroy(self) -> None: ...


class Code:
    """The status codes that are sent (grpc.StatusCode)."""

    OK: Final[int] = cygrpc.StatusCode.ok
    INVALID_ARGUMENT: Final[int] = cygrpc.StatusCode.invalid_argument
    NOT_FOUND: Final[int] = cygrpc.StatusCode.not_found
    UNIMPLEMENTED: Final[int] = cygrpc.StatusCode.unimplemented
    PERMISSION_DENIED: Final[int] = cygrpc.StatusCode.permission_denied
    INTERNAL: Final[int] = cygrpc.StatusCode.internal
    UNAVAILABLE: Final[int] = cygrpc.StatusCode.unavailable


_NO_FLAGS: Final = 0
_XDS: Final = False
_FORCE: Final = True


make_queue: Final[Callable[[], Queue]] = cygrpc.CompletionQueue

auth_context: Final[Callable[[Call], dict[bytes, list[bytes]]]] = cygrpc.auth_context
"""Return what a handshake found out about the client of a call."""

receive_message: Final[Callable[[], Operation]] = partial(cygrpc.ReceiveMessageOperation, _NO_FLAGS)
"""Read the call's message."""

receive_close: Final[Callable[[], Operation]] = partial(cygrpc.ReceiveCloseOnServerOperation, _NO_FLAGS)
"""Ask for an event at the end of the call."""

send_headers: Final[Callable[[], Operation]] = partial(cygrpc.SendInitialMetadataOperation, None, _NO_FLAGS)
"""Send HTTP/2 headers without any of our own."""


def make_listener(options: Sequence[tuple[str, Any]]) -> Listener:  # Any: numbers and texts, as gRPC has them
    """Return a server of gRPC's core that does not listen yet."""
    listener: Listener = cygrpc.Server(tuple(options), _XDS)
    return listener


def make_port_credentials(
    first: grpc.ServerCertificateConfiguration, renewed: Callable[[], grpc.ServerCertificateConfiguration | None]
) -> PortCredentials:
    """Return TLS for a port that always asks for a client's certificate.

    `renewed` is called at each handshake but the first, and returns what to show from now on, or None for no change.
    """
    credentials: PortCredentials = cygrpc.server_credentials_ssl_dynamic_cert_config(first, renewed, _FORCE)
    return credentials


def send_message(message: bytes) -> Operation:
    """Send a message."""
    operation: Operation = cygrpc.SendMessageOperation(message, _NO_FLAGS)
    return operation


def send_status(code: int, details: bytes) -> Operation:
    """End the call."""
    operation: Operation = cygrpc.SendStatusFromServerOperation(None, code, details, _NO_FLAGS)
    return operation
