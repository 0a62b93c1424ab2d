"""A public key that signatures are checked with, who signs with it, and what makes a key too weak for that."""

import math
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from authz.model import Algorithm

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MAX_EXPONENT_BITS: Final = 64
_ALWAYS: Final = float("inf")
_SMALL: Final = math.prod(p for p in range(2, 752) if all(p % q for q in range(2, math.isqrt(p) + 1)))
_FIELD: Final = 2**255 - 19
_SIGN: Final = 2**255
# The y of each point whose order divides the cofactor, 8 (RFC 8032, section 5.1): with such a key, a made-up signature
# fits many messages, or all of them.
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER: Final = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key of one issuer, and the one algorithm it is for. `created_at` is its date as the file has it."""

    issuer: str
    kid: str
    algorithm: Algorithm
    material: PublicKeyTypes
    created_at: str | None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the key as DER: cryptography's own objects cannot be pickled."""
        return _restored, (self.issuer, self.kid, self.algorithm, spki(self.material), self.created_at)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, the thumbprints of its certificates, and when these are valid (seconds since the epoch).

    The key of a chain has the thumbprint of every certificate on the verified path, leaf first.
    """

    key: VerificationKey
    thumbprints: tuple[str, ...] = ()
    valid_from: float = -_ALWAYS
    valid_until: float = _ALWAYS

    def holds_at(self, now: float) -> bool:
        """Whether every certificate on the path is valid. RFC 5280 includes the last second, this does not."""
        return self.valid_from <= now < self.valid_until


def spki(key: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo, RFC 5280, section 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _restored(issuer: str, kid: str, algorithm: Algorithm, octets: bytes, created_at: str | None) -> VerificationKey:
    return VerificationKey(issuer, kid, algorithm, load_der_public_key(octets), created_at)


def weakness(key: PublicKeyTypes) -> str | None:
    """Return why a well-formed key must not be used, such as a placeholder that anyone can sign for, or None."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if math.gcd(numbers.n, _SMALL) != 1:
            return "has a modulus with a small factor: it is no RSA key"
        if numbers.e.bit_length() > MAX_EXPONENT_BITS:
            return f"has an exponent of more than {MAX_EXPONENT_BITS} bits: every check with it would be slow"
    if isinstance(key, ed25519.Ed25519PublicKey):
        y = int.from_bytes(key.public_bytes_raw(), "little") % _SIGN % _FIELD
        if y in _SMALL_ORDER:
            return "is a point of small order: anyone could sign for it"
    return None
