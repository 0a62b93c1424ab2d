"""One JSON Web Key (RFC 7517): a public key that fits one algorithm, or the reason why it is not one."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from authz.model import Algorithm
from authz.tokens.keys.key import MAX_RSA_BITS, MIN_RSA_BITS, weakness

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


def public_key(jwk: Mapping[str, object]) -> tuple[Algorithm, PublicKeyTypes]:
    """Return a public signing key and its one algorithm. Raises ValueError, which says why, for anything else."""
    secret = sorted(_PRIVATE & jwk.keys())
    if secret:
        raise ValueError(f"has private members ({', '.join(secret)}): ship the public key alone, and replace this pair")
    if jwk.get("use", "sig") != "sig":
        raise ValueError("has a 'use' other than 'sig': it is not for signatures")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("has 'key_ops' without 'verify': it is not for checking signatures")
    read = _READERS.get(str(jwk.get("kty")))
    if read is None:
        raise ValueError(f"has kty {jwk.get('kty')!r}; RSA, EC and OKP are known")
    algorithm, key = read(jwk)
    if jwk.get("alg", algorithm.value) != algorithm.value:
        raise ValueError(f"has alg {jwk['alg']!r}, but a key of its kind is for {algorithm}")
    weak = weakness(key)
    if weak is not None:
        raise ValueError(weak)
    return algorithm, key


def _rsa(jwk: Mapping[str, object]) -> tuple[Algorithm, PublicKeyTypes]:
    modulus, exponent = _integer(jwk, "n"), _integer(jwk, "e")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise ValueError(f"is RSA with {modulus.bit_length()} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
    return Algorithm.RS256, RSAPublicNumbers(exponent, modulus).public_key()


def _elliptic(jwk: Mapping[str, object]) -> tuple[Algorithm, PublicKeyTypes]:
    if jwk.get("crv") != "P-256":
        raise ValueError(f"has curve {jwk.get('crv')!r}; P-256 is known for kty EC")
    numbers = EllipticCurvePublicNumbers(_integer(jwk, "x"), _integer(jwk, "y"), SECP256R1())
    return Algorithm.ES256, numbers.public_key()


def _edwards(jwk: Mapping[str, object]) -> tuple[Algorithm, PublicKeyTypes]:
    if jwk.get("crv") != "Ed25519":
        raise ValueError(f"has curve {jwk.get('crv')!r}; Ed25519 is known for kty OKP")
    return Algorithm.EDDSA, Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))


_READERS: Final = {"RSA": _rsa, "EC": _elliptic, "OKP": _edwards}


def _integer(jwk: Mapping[str, object], member: str) -> int:
    return int.from_bytes(_octets(jwk, member), "big")


def _octets(jwk: Mapping[str, object], member: str) -> bytes:
    value = jwk.get(member)
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise ValueError(f"has no base64url text under '{member}'")
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        raise ValueError(f"has no base64url text under '{member}'") from None
