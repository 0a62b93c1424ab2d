"""Certificates of a service with TLS and of its clients, as files and as channels of gRPC."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.server.tls import Credentials
from tests.support.certificates import Certificate, pem
from tests.support.files import replace as put

NOW: Final = datetime.now(UTC)
SERVER_NAME: Final = "authz.example.org"
SPIFFE: Final = "spiffe://example.org/envoy"
ROOT_CA: Final = Certificate("services", ca=True, now=NOW)
CLIENT_CA: Final = Certificate("clients", ca=True, now=NOW)
OTHER_CA: Final = Certificate("strangers", ca=True, now=NOW)
SERVER: Final = Certificate("authz", signed_by=ROOT_CA, dns=(SERVER_NAME,), now=NOW)
RENEWED: Final = replace(SERVER, name="authz renewed", ends=30 * 86_400.0)
ENVOY: Final = Certificate("envoy", signed_by=CLIENT_CA, uris=(SPIFFE,), now=NOW)


def key_pem(certificate: Certificate) -> str:
    """Return the private key of a certificate."""
    return certificate.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def credentials(server: Certificate = SERVER, client_ca: Certificate = CLIENT_CA) -> Credentials:
    """Return what a service shows, and whose clients it trusts."""
    return Credentials(pem([server]).encode(), key_pem(server).encode(), pem([client_ca]).encode())


@dataclass(frozen=True, slots=True)
class TlsFolder:
    """The three files of a service with TLS."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The certificate chain."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """The private key."""
        return self.folder / "tls.key"

    @property
    def client_ca(self) -> Path:
        """The authority of clients."""
        return self.folder / "clients.crt"

    def write(self, server: Certificate = SERVER, client_ca: Certificate = CLIENT_CA) -> None:
        """Write all three, each in one step, first the key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        put(self.key, key_pem(server))
        put(self.certificate, pem([server]))
        put(self.client_ca, pem([client_ca]))

    def flags(self, *names: str) -> tuple[str, ...]:
        """Return the flags of `authz serve` for these files and the names that may ask."""
        files = ("--tls-certificate", self.certificate, "--tls-key", self.key, "--tls-client-ca", self.client_ca)
        return (*map(str, files), *(part for name in names for part in ("--tls-client-san", name)))


@contextmanager
def secure(address: str, client: Certificate | None = ENVOY) -> Iterator[grpc.Channel]:
    """Open a connection of its own that trusts ROOT_CA and shows a client's certificate, or none."""
    pair = (None, None) if client is None else (key_pem(client).encode(), pem([client]).encode())
    shown = grpc.ssl_channel_credentials(pem([ROOT_CA]).encode(), *pair)
    options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(address, shown, options) as channel:
        yield channel


def shown_serial(address: str) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    shown = ssl.get_server_certificate((host, int(port)))
    return x509.load_pem_x509_certificate(shown.encode()).serial_number
