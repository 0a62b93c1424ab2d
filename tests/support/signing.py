"""Makes keys and signatures for tests with cryptography alone, so that no library under test checks itself."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair with its id and its one algorithm."""

    kid: str
    algorithm: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        """Return the signature in the form of JWS (RFC 7518, section 3; RFC 8037, section 3.1)."""
        match self.private:
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey():
                r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
                size = (self.private.key_size + 7) // 8
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")
            case _:
                return self.private.sign(message)

    def jwk(self) -> dict[str, str]:
        """Return the public half (RFC 7517)."""
        named = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        match self.private:
            case rsa.RSAPrivateKey():
                numbers = self.private.public_key().public_numbers()
                return {
                    "kty": "RSA",
                    **named,
                    "n": _b64int(numbers.n, self.private.key_size // 8),
                    "e": _b64int(numbers.e, 3),
                }
            case ec.EllipticCurvePrivateKey():
                point, size = self.private.public_key().public_numbers(), (self.private.key_size + 7) // 8
                return {"kty": "EC", **named, "crv": "P-256", "x": _b64int(point.x, size), "y": _b64int(point.y, size)}
            case _:
                raw = self.private.public_key().public_bytes_raw()
                return {"kty": "OKP", **named, "crv": "Ed25519", "x": b64(raw)}

    def public_pem(self) -> bytes:
        """Return the public half as PEM: what an attacker would use as the secret of an HMAC."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@cache
def key(kid: str, algorithm: str = "RS256") -> Key:
    """Return the key of that id and algorithm; it is made once per process."""
    match algorithm:
        case "RS256":
            return Key(kid, algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))
        case "ES256":
            return Key(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        case "EdDSA":
            return Key(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
    raise ValueError(f"no such algorithm: {algorithm}")


def encode(header: bytes, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return a signed token of any bytes (RFC 7515, section 7.1)."""
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def hmac_with(secret: bytes) -> Callable[[bytes], bytes]:
    """Return the signature function of HS256 with that secret."""
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


def b64(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _b64int(number: int, size: int) -> str:
    return b64(number.to_bytes(size, "big"))
