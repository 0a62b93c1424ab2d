"""TLS between Envoy and the service, whatever engine serves: what the service shows, and which clients may ask."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_SAN_LENGTH: Final = 2_048
"""As long as a SPIFFE ID may be."""
CONNECTION_SECONDS: Final = 3_600.0
_DNS: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_URI: Final = re.compile(r"(?![^:/]+:[0-9]+\Z)[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+;=%-]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The service's certificate chain and private key, and the authorities that sign clients' certificates, as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes


class SanKind(StrEnum):
    """The kinds of subject alternative names by which a client can be known."""

    DNS = "dns"
    URI = "uri"


@dataclass(frozen=True, slots=True)
class San:
    """A subject alternative name: of a client's certificate, or one that may ask."""

    kind: SanKind
    text: str

    @classmethod
    def parse(cls, text: str) -> "San":
        """Return the name that a person wrote. Raises ValueError, with what to write, for what matches no client."""
        if "*" in text:
            raise ValueError(f"'{text}' is compared exactly, so * stands for nothing: write each name")
        if _is_ip(text):
            raise ValueError(f"'{text}' is an IP address: write a DNS name or a URI of the client's certificate")
        if len(text) <= MAX_SAN_LENGTH and _URI.fullmatch(text):
            return cls(SanKind.URI, text)
        if _DNS.fullmatch(text):
            return cls(SanKind.DNS, text)
        raise ValueError(
            f"'{text}' is neither a DNS name nor a URI: write envoy.example.org or spiffe://example.org/envoy"
        )


def _is_ip(text: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(text)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Security:
    """TLS of one server: every client must have a certificate of `credentials().client_ca` with a name of `clients`.

    `credentials` is asked at each new connection, from any thread. `refused` gets the names of a client that none of
    `clients` matches. No connection lives longer than `connection_seconds`, so that a client whose authority is gone
    does not stay.
    """

    credentials: Callable[[], Credentials]
    clients: frozenset[San]
    refused: Callable[[Iterable[San]], None]
    connection_seconds: float = CONNECTION_SECONDS

    def admits(self, shown: Iterable[San]) -> bool:
        """Whether a client with these names may ask. A name is compared exactly, and only with one of its kind."""
        names = tuple(shown)
        if not self.clients.isdisjoint(names):
            return True
        self.refused(names)
        return False
