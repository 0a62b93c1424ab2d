"""A public key that signatures are checked with."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from authz.model import Algorithm


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key of one issuer, and the one algorithm it is for. `created_at` is what the file says of its age."""

    issuer: str
    kid: str
    algorithm: Algorithm
    material: PublicKeyTypes
    created_at: str | None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the key as DER: cryptography's own objects cannot be pickled."""
        return _restored, (self.issuer, self.kid, self.algorithm, spki(self.material), self.created_at)


def spki(key: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo, RFC 5280, section 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _restored(issuer: str, kid: str, algorithm: Algorithm, octets: bytes, created_at: str | None) -> VerificationKey:
    return VerificationKey(issuer, kid, algorithm, load_der_public_key(octets), created_at)
