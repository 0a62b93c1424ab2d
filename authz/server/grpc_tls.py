"""TLS as gRPC wants it: the credentials of a port, and the names in the certificate of the client behind a call.

gRPC checks a client's authority in the handshake. It has no hook for its names, so they are checked for each call:
4 µs, and 1 µs for a call over a Unix socket beside it.
"""

from collections.abc import Callable, Iterator
from typing import Final

import grpc

from authz.server.core import Call, PortCredentials, auth_context, make_port_credentials
from authz.server.tls import Credentials, San, SanKind, Security

HANDSHAKE_MS: Final = 5_000
GRACE_MS: Final = 10_000
_PROPERTIES: Final = ((b"peer_dns", SanKind.DNS), (b"peer_uri", SanKind.URI))
_UNIX: Final = b"unix:"


def tls_options(security: Security) -> tuple[tuple[str, int], ...]:
    """Return the options of a server with TLS: how long a handshake and a connection may last."""
    return (
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_connection_age_ms", int(security.connection_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", GRACE_MS),
    )


def port_credentials(current: Callable[[], Credentials]) -> PortCredentials:
    """Return credentials for one port. It asks `current` at each handshake, and always for a client's certificate.

    TLS 1.2 is gRPC's minimum.
    """
    shown = current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        latest = current()
        if latest is shown:
            return None
        shown = latest
        return _configuration(latest)

    return make_port_credentials(_configuration(shown), renewed)


def is_admitted(call: Call, security: Security) -> bool:
    """Whether a call may be answered: it came over a Unix socket, or its client has a name that may ask."""
    context = auth_context(call)
    if context.get(b"transport_security_type") == [b"ssl"]:
        return security.admits(_names(context))
    return call.peer().startswith(_UNIX)


def _names(context: dict[bytes, list[bytes]]) -> Iterator[San]:
    for name, kind in _PROPERTIES:
        for text in context.get(name, ()):
            yield San(kind, text.decode("ascii", "backslashreplace"))


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    pairs = [(credentials.key, credentials.certificate)]
    return grpc.ssl_server_certificate_configuration(pairs, credentials.client_ca)
