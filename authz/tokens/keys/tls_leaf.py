"""What there is to know of a certificate before TLS shows it: when it expires, and whether clients take its key."""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import Certificate, load_pem_x509_certificates

from authz.tokens.keys.key import MIN_RSA_BITS

_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


@dataclass(frozen=True, slots=True)
class TlsLeaf:
    """The first certificate of a chain; `ends` is when it expires (seconds since the epoch)."""

    ends: float
    has_usual_key: bool

    @classmethod
    def read(cls, chain: bytes) -> "TlsLeaf":
        """Return the first certificate of a PEM file. Raises ValueError for what cannot be read.

        A usual key is RSA of 2048 bits or more, P-256 or P-384: BoringSSL, and so Envoy, takes no other.
        """
        leaf = load_pem_x509_certificates(chain)[0]
        return cls(leaf.not_valid_after_utc.timestamp(), _is_usual(leaf))


def _is_usual(leaf: Certificate) -> bool:
    try:
        key = leaf.public_key()
    except UnsupportedAlgorithm:
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= MIN_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
