"""Trust anchors: the root certificates that an issuer's chains must lead to."""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authz.documents.findings import Findings
from authz.tokens.keys.key import MAX_RSA_BITS, MIN_RSA_BITS, weakness

MAX_ANCHORS: Final = 8
"""A forged chain costs one signature check for each root of the same name."""


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
        findings.problem(file, 0, "contains a private key: ship certificates alone, and replace this key")
        return ()
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except (ValueError, x509.InvalidVersion):
        findings.problem(file, 0, "contains no PEM certificates that can be read")
        return ()
    if len(certificates) > MAX_ANCHORS:
        findings.problem(file, 0, f"contains {len(certificates)} certificates: keep {MAX_ANCHORS} roots at most")
    for position, certificate in enumerate(certificates, start=1):
        problem = _anchor_problem(certificate)
        if problem is not None:
            findings.problem(file, 0, f"certificate {position} {problem}")
    return tuple(certificates)


def strong_enough(certificate: x509.Certificate) -> bool:
    """Whether a certificate's key may sign: RSA of an accepted size, a NIST curve, or Ed25519, and not weak."""
    match certificate.public_key():
        case rsa.RSAPublicKey() as key:
            return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and weakness(key) is None
        case ec.EllipticCurvePublicKey() as key:
            return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
        case ed25519.Ed25519PublicKey() as key:
            return weakness(key) is None
        case _:
            return False


def _anchor_problem(certificate: x509.Certificate) -> str | None:
    """Return why no chain could lead to this certificate, or None, so that the start fails and not the first token."""
    try:
        if not _may_certify(certificate):
            return "is not a CA certificate that may sign others: use the root, not a leaf"
        if not strong_enough(certificate) or isinstance(certificate.public_key(), ed25519.Ed25519PublicKey):
            rsa_bits = f"RSA of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
            return f"has a key that certificates are not verified with: {rsa_bits}, P-256, P-384 and P-521 are"
    except Exception as error:  # noqa: BLE001  a library's parser: whatever it raises is a problem of this file
        return f"cannot be read: {error}"
    return None


def _may_certify(certificate: x509.Certificate) -> bool:
    values = [extension.value for extension in certificate.extensions]
    return any(isinstance(value, x509.BasicConstraints) and value.ca for value in values) and any(
        isinstance(value, x509.KeyUsage) and value.key_cert_sign for value in values
    )
