"""Binds the addresses, and limits what gRPC accepts from clients."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from authz.server.addresses import AddressUnusableError, make_free
from authz.server.core import Listener, PortCredentials

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_METADATA_BYTES: Final = 16 * 1024
SOCKET_UMASK: Final = 0o117
MAX_UNSEEN_CALLS: Final = 2_048
"""How many calls gRPC keeps while the loop is busy; it refuses further ones itself."""
OPTIONS: Final = (
    # A second server on the same port must fail, not share the port.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    # Envoy pings an idle connection every few seconds; by default gRPC takes that for abuse and closes it.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    # By default gRPC keeps 3,000 calls for 30 s; Envoy has asked another worker long before.
    ("grpc.server.max_pending_requests", MAX_UNSEEN_CALLS - 48),
    ("grpc.server.max_pending_requests_hard_limit", MAX_UNSEEN_CALLS),
    ("grpc.server_max_unrequested_time_in_server", 5),
)


def listen(
    listener: Listener, addresses: Sequence[str], secured: Callable[[], PortCredentials] | None = None
) -> list[str]:
    """Bind every address; return them with the real port where port 0 was asked for. Raises AddressUnusableError.

    Unix sockets are readable and writable for owner and group. TCP ports have TLS where `secured` makes credentials.
    """
    for address in addresses:
        make_free(address)
    umask = os.umask(SOCKET_UMASK)
    try:
        return [_bind(listener, address, secured) for address in addresses]
    finally:
        os.umask(umask)


def _bind(listener: Listener, address: str, secured: Callable[[], PortCredentials] | None) -> str:
    if secured is None or address.startswith("unix:"):
        port = listener.add_http2_port(address.encode())
    else:
        port = listener.add_http2_port(address.encode(), secured())
    if port == 0:
        raise AddressUnusableError(f"cannot listen on {address}")
    return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
