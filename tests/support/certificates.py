"""Makes certificates for tests, valid or hostile, also those that no real authority would sign.

root = Certificate("root", ca=True)
leaf = Certificate("leaf", signed_by=root, uris=("https://customers.gitlab.com",))
x5c([leaf])                                 # as a token carries it; leaf.key signs the token
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.signing import Key, key

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
YEAR: Final = 365 * 86400.0
_AUTHORITY: Final = ("key_cert_sign", "crl_sign")
_LEAF: Final = ("digital_signature",)
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Certificate:
    """Describes one certificate, which is made when it is first used; equal descriptions are one certificate.

    `kind` is the kind of its key: an algorithm of `tests.support.signing`, `RSA-<bits>` or a curve. `starts`
    and `ends` are seconds after `now`. Without `signed_by` it signs itself; `usages` of None leaves the extension out.
    """

    name: str
    ca: bool | None = False
    signed_by: "Certificate | None" = None
    kind: str = "ES256"
    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    starts: float = -YEAR
    ends: float = YEAR
    usages: tuple[str, ...] | None = ()
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    path_length: int | None = None
    key_name: str = ""
    issuer_name: str = ""
    forged_by: str = ""
    """The name of a key that signs in place of the issuer's."""
    now: datetime = NOW

    @property
    def key(self) -> Key:
        """The key whose public half it carries."""
        return _pair(self.key_name or self.name, self.kind)

    @property
    def thumbprint(self) -> str:
        """Its SHA-256."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def der(self) -> bytes:
        """Its octets."""
        return self.signed.public_bytes(Encoding.DER)

    @property
    def signed(self) -> x509.Certificate:
        """The certificate itself."""
        return _signed(self)

    def usual(self, issuer: "Certificate") -> Iterable[tuple[x509.ExtensionType, bool]]:
        """Yield the extensions that such a certificate has, and whether they are critical."""
        if self.ca is not None:
            yield x509.BasicConstraints(ca=self.ca, path_length=self.path_length), True
        if self.usages is not None:
            usages = self.usages or (_AUTHORITY if self.ca else _LEAF)
            yield x509.KeyUsage(**{usage: usage in usages for usage in _USAGES}), True
        if self.uris or self.dns:
            uris = [x509.UniformResourceIdentifier(uri) for uri in self.uris]
            yield x509.SubjectAlternativeName([*uris, *map(x509.DNSName, self.dns)]), False
        if self.purposes:
            yield x509.ExtendedKeyUsage(self.purposes), False
        yield x509.SubjectKeyIdentifier.from_public_key(self.key.private.public_key()), False
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.private.public_key()), False


class _Huge:
    """A key that would take minutes to find; what has it was signed by another."""

    def public_key(self) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(65537, (1 << 16_383) + 1).public_key()


_UNUSUAL: Final[dict[str, Callable[[], object]]] = {"Ed448": ed448.Ed448PrivateKey.generate, "RSA-16384": _Huge}


@cache
def _signed(certificate: Certificate) -> x509.Certificate:
    issuer = certificate.signed_by or certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(certificate.name))
        .issuer_name(_named(certificate.issuer_name or issuer.name))
        .public_key(certificate.key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before((certificate.now + timedelta(seconds=certificate.starts)).replace(tzinfo=None))
        .not_valid_after((certificate.now + timedelta(seconds=certificate.ends)).replace(tzinfo=None))
    )
    for extension, critical in (*certificate.usual(issuer), *certificate.extensions):
        builder = builder.add_extension(extension, critical)
    signer = _pair(certificate.forged_by, issuer.kind) if certificate.forged_by else issuer.key
    if isinstance(signer.private, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return builder.sign(signer.private, None)
    return builder.sign(signer.private, hashes.SHA256())


@cache
def _pair(name: str, kind: str) -> Key:
    """Return the key of that name and kind; it is made once per process."""
    if kind in _UNUSUAL:
        return Key(name, kind, cast("Any", _UNUSUAL[kind]()))  # Any: no token is ever signed with it
    if kind.startswith("RSA-"):
        return Key(name, "RS256", rsa.generate_private_key(public_exponent=65537, key_size=int(kind[4:])))
    curve = _CURVES.get(kind)
    return key(name, kind) if curve is None else Key(name, "ES256", ec.generate_private_key(curve))


def x5c(chain: Iterable[Certificate | bytes]) -> list[str]:
    """Return a chain as it is in a token (RFC 7515, section 4.1.6): standard base64, leaf first."""
    octets = (part if isinstance(part, bytes) else part.der for part in chain)
    return [base64.b64encode(part).decode() for part in octets]


def pem(certificates: Iterable[Certificate]) -> str:
    """Return the content of a file of anchors."""
    return "".join(part.signed.public_bytes(Encoding.PEM).decode() for part in certificates)


def resigned(certificate: Certificate, change: Callable[[bytes], bytes]) -> bytes:
    """Return a certificate with changed content, signed again by its issuer, as no library would make it."""
    signer = (certificate.signed_by or certificate).key.private
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("only an ECDSA authority can sign any content")
    content = change(certificate.signed.tbs_certificate_bytes)
    return _assembled(certificate, content, signer.sign(content, ec.ECDSA(hashes.SHA256())))


def respelt(certificate: Certificate, signature: bytes | None = None, left_over: int = 0) -> bytes:
    """Return the same content with another signature, or with unused bits behind it."""
    content = certificate.signed.tbs_certificate_bytes
    return _assembled(certificate, content, signature or certificate.signed.signature, left_over)


def _assembled(certificate: Certificate, content: bytes, signature: bytes, left_over: int = 0) -> bytes:
    whole, old = certificate.der, certificate.signed.tbs_certificate_bytes
    bits = len(_der(0x03, b"\0" + certificate.signed.signature))
    algorithm = whole[whole.index(old) + len(old) : len(whole) - bits]
    return _der(0x30, content + algorithm + _der(0x03, bytes([left_over]) + signature))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = b"" if length < 128 else length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size) if size else length]) + size + content


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
