"""Trust anchors: the root certificates that an issuer's chains must lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authz.keys.jwk import MIN_RSA_BITS

if TYPE_CHECKING:
    from pathlib import Path

    from authz.errors import Findings

__all__ = ["read_anchors", "strong_enough"]


def read_anchors(file: Path, findings: Findings) -> tuple[x509.Certificate, ...]:
    """Read the PEM certificates of `<issuer name>.ca.pem`, none if there is no such file; problems go to `findings`."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        findings.problem(file, 0, f"cannot be read: {error.strerror}")
        return ()
    if b"PRIVATE KEY-----" in content:
        findings.problem(file, 0, "holds a private key: ship certificates alone, and replace this key")
        return ()
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        findings.problem(file, 0, "holds no PEM certificates that can be read")
        return ()
    for position, certificate in enumerate(certificates, start=1):
        problem = _anchor_problem(certificate)
        if problem is not None:
            findings.problem(file, 0, f"certificate {position} {problem}")
    return tuple(certificates)


def strong_enough(certificate: x509.Certificate) -> bool:
    """Whether a certificate's key may sign: RSA of 2048 bits or more, a NIST curve, or Ed25519."""
    match certificate.public_key():
        case rsa.RSAPublicKey() as key:
            return key.key_size >= MIN_RSA_BITS
        case ec.EllipticCurvePublicKey() as key:
            return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
        case ed25519.Ed25519PublicKey():
            return True
        case _:
            return False


def _anchor_problem(certificate: x509.Certificate) -> str | None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            return "is no CA: a trust anchor is a root certificate, not a leaf"
    except (ValueError, x509.ExtensionNotFound):
        return "has no basic constraints that say it is a CA"
    return None if strong_enough(certificate) else f"has a key that is too weak: RSA needs {MIN_RSA_BITS} bits"
