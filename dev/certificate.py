"""Makes a TLS certificate for localhost, signed by a development authority that is made for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
RENEW_BEFORE = timedelta(days=1)
CLOCK_SLACK = timedelta(minutes=5)
NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate's files, and when it expires."""

    authority: Path
    chain: Path
    key: Path
    valid_until: datetime


def ensure(directory: Path, now: datetime) -> Certificate:
    """Return the certificate in `directory` (ca.crt, tls.crt, tls.key); make a new one if it expires within a day.

    The authority's private key is never written, so a client that trusts ca.crt trusts only this certificate.
    """
    return _existing(directory, now) or _make(directory, now)


def _existing(directory: Path, now: datetime) -> Certificate | None:
    """Return the present certificate if it is complete, matches its key and is valid for long enough."""
    try:
        authority = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
        leaf = x509.load_pem_x509_certificate((directory / "tls.crt").read_bytes())
        key = serialization.load_pem_private_key((directory / "tls.key").read_bytes(), password=None)
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return None
    if key.public_key() != leaf.public_key() or tuple(names) != NAMES:
        return None
    if leaf.not_valid_after_utc - now <= RENEW_BEFORE or leaf.not_valid_before_utc > now:
        return None
    return _described(directory, leaf)


def _make(directory: Path, now: datetime) -> Certificate:
    directory.mkdir(parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    leaf = _leaf(key, authority, authority_key, now)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _replace(
        directory,
        {
            "tls.key": (private, 0o600),
            "tls.crt": (leaf.public_bytes(serialization.Encoding.PEM), 0o644),
            "ca.crt": (authority.public_bytes(serialization.Encoding.PEM), 0o644),
        },
    )
    return _described(directory, leaf)


def _described(directory: Path, leaf: x509.Certificate) -> Certificate:
    return Certificate(directory / "ca.crt", directory / "tls.crt", directory / "tls.key", leaf.not_valid_after_utc)


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cloud Connector development authority")])
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    return (
        _builder(name, authority.subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - CLOCK_SLACK)
        .not_valid_after(now.astimezone(UTC) + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _replace(directory: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Write each file under another name, with its mode from the start, then move it into place."""
    for name, (content, mode) in files.items():
        draft = directory / f".{name}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        draft.replace(directory / name)
