"""The files of TLS: certificate, private key and the authority of clients, read together and checked before use."""

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.observing.json_log import timestamp
from authz.server.tls import Credentials
from authz.tokens.keys.tls_leaf import TlsLeaf

MAX_BYTES: Final = 32 * 1024
"""Of each file. Workers get all three through a pipe, which must not fill while one of them hangs."""
TRIES: Final = 5


class TlsFileUnusableError(Exception):
    """A file of TLS cannot be used; `file` names it, and `cause` says why and what to do."""

    def __init__(self, file: Path, cause: str) -> None:
        super().__init__(f"{file}: {cause}")
        self.file = file
        self.cause = cause


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the credentials of TLS listeners lie."""

    certificate: Path
    key: Path
    client_ca: Path

    def read(self) -> Credentials:
        """Return what the files hold at one moment. Raises TlsFileUnusableError, which repeats nothing of it."""
        for _ in range(TRIES):
            credentials = self._content()
            self._check(credentials)
            if self._content() == credentials:
                return credentials
        raise TlsFileUnusableError(
            self.certificate, "changes all the time: write new files beside it and move them here"
        )

    def paths(self) -> tuple[Path, ...]:
        """Return the three paths."""
        return (self.certificate, self.key, self.client_ca)

    def _content(self) -> Credentials:
        return Credentials(*map(_content, self.paths()))

    def _check(self, credentials: Credentials) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _trust(context, self.certificate, credentials.certificate)
        _check_leaf(self.certificate, credentials.certificate)
        authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _trust(authorities, self.client_ca, credentials.client_ca)
        if authorities.cert_store_stats()["x509_ca"] == 0:
            raise TlsFileUnusableError(self.client_ca, "holds no certificate of an authority (CA:TRUE)")
        try:
            context.load_cert_chain(self.certificate, self.key, _no_password)
        except _EncryptedError:
            raise TlsFileUnusableError(self.key, "is encrypted: write the private key without a passphrase") from None
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            belongs = getattr(error, "reason", "") == "KEY_VALUES_MISMATCH"
            cause = f"does not belong to the certificate in {self.certificate}" if belongs else "holds no private key"
            raise TlsFileUnusableError(self.key, cause) from None


class _EncryptedError(Exception):
    """A private key asks for a passphrase."""


def _no_password() -> str:
    raise _EncryptedError


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise TlsFileUnusableError(file, f"cannot be read: {error.strerror or type(error).__name__}") from None
    if len(content) > MAX_BYTES:
        raise TlsFileUnusableError(file, f"is larger than {MAX_BYTES // 1024} KiB")
    return content


def _check_leaf(file: Path, chain: bytes) -> None:
    try:
        leaf = TlsLeaf.read(chain)
    except ValueError:
        raise TlsFileUnusableError(file, "holds a certificate that cannot be read") from None
    if leaf.ends <= time.time():
        raise TlsFileUnusableError(file, f"expired at {timestamp(leaf.ends)}: renew it")
    if not leaf.has_usual_key:
        raise TlsFileUnusableError(
            file, "has a key that Envoy does not take: use RSA of 2048 bits or more, P-256 or P-384"
        )


def _trust(context: ssl.SSLContext, file: Path, content: bytes) -> None:
    try:
        context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (OSError, ValueError):
        raise TlsFileUnusableError(
            file, "holds no certificate: write PEM, which begins with BEGIN CERTIFICATE"
        ) from None
