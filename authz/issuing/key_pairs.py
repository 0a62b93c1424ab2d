"""Key pairs for development: the private half signs tokens, the public half is the issuer's key set."""

import base64
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from authz.model import Algorithm, Issuer

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Pair:
    """The private half of a pair (PEM, never to be shown), with its key id and algorithm."""

    kid: str
    algorithm: Algorithm
    private_pem: bytes = field(repr=False)


def private_file(folder: Path, issuer: Issuer) -> Path:
    """Return where the private half of a development pair is kept."""
    return folder / "private" / f"{issuer.name}.pem"


def public_file(folder: Path, issuer: Issuer) -> Path:
    """Return where the public half is kept: the issuer's key set, as `authz serve --keys` reads it."""
    return folder / f"{issuer.name}.jwks.json"


def generate_pair(folder: Path, issuer: Issuer, now: datetime) -> None:
    """Write a new pair for an issuer: `<name>.jwks.json`, and `private/<name>.pem` that only the owner can read.

    If only the private half is there, the public one is made from it. Raises FileExistsError rather than replace a
    key, OSError if the folder cannot be written, and ValueError if the private half there cannot be read.
    """
    public = public_file(folder, issuer)
    if public.exists():
        advice = "has keys whose private half is not in this folder; name another folder"
        raise FileExistsError(errno.EEXIST, advice, str(public))
    file = private_file(folder, issuer)
    if file.exists():
        algorithm, private = _kept(file, issuer)
    else:
        algorithm, private = new_key(issuer)
        write_secret(file, private_pem(private))
    jwk = {**_jwk(private.public_key(), algorithm), "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    with public.open("x", encoding="utf-8") as stream:
        stream.write(json.dumps({"keys": [jwk]}, indent=2) + "\n")


def read_pair(folder: Path, issuer: Issuer) -> Pair:
    """Return an issuer's development pair. Raises OSError or ValueError if there is none that can be read."""
    private, file = private_file(folder, issuer), public_file(folder, issuer)
    pem = private.read_bytes()
    with intact(private):
        load_pem_private_key(pem, password=None)
    with intact(file):
        public = json.loads(file.read_bytes())["keys"][0]
        return Pair(str(public["kid"]), Algorithm(public["alg"]), pem)


@contextmanager
def intact(file: Path) -> Iterator[None]:
    """Read what a file holds inside of this. Raises ValueError, which says what to do, if that fails."""
    try:
        yield
    except (LookupError, TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{file} is damaged or was changed: remove it") from None


def _kept(file: Path, issuer: Issuer) -> tuple[Algorithm, Private]:
    with intact(file):
        private = load_pem_private_key(file.read_bytes(), password=None)
    for algorithm in issuer.algorithms:
        kind, _ = _KINDS[algorithm]
        if isinstance(private, kind):
            return algorithm, private
    raise ValueError(f"{file} is for another algorithm than issuer '{issuer.name}' signs with: remove it")


def new_key(issuer: Issuer) -> tuple[Algorithm, Private]:
    """Return a new key for the first algorithm on offer that an issuer signs with."""
    algorithm = next(known for known in Algorithm if known in issuer.algorithms)
    _, made = _KINDS[algorithm]
    return algorithm, made()


def private_pem(private: Private) -> bytes:
    """Return a private key as files hold it (PKCS 8)."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_secret(file: Path, content: bytes) -> None:
    """Write a new file in a folder, both for their owner only. Raises OSError, FileExistsError rather than replace."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


_KINDS: Final[Mapping[Algorithm, tuple[type[Private], Callable[[], Private]]]] = {
    Algorithm.RS256: (rsa.RSAPrivateKey, partial(rsa.generate_private_key, public_exponent=65537, key_size=2048)),
    Algorithm.ES256: (ec.EllipticCurvePrivateKey, partial(ec.generate_private_key, ec.SECP256R1())),
    Algorithm.EDDSA: (ed25519.Ed25519PrivateKey, ed25519.Ed25519PrivateKey.generate),
}
"""The kind of key that each algorithm signs with, and what makes one."""


def _jwk(key: Public, algorithm: Algorithm) -> dict[str, str]:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kid = _base64url(hashlib.sha256(spki).digest())[:16]
    return {"kid": kid, "use": "sig", "alg": algorithm.value, **_members(key)}


def _members(key: Public) -> dict[str, str]:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (_base64url(value.to_bytes(32, "big")) for value in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_bytes_raw())}


def _unsigned(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
