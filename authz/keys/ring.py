"""The key ring: which public keys speak for which issuer."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz import strict_json
from authz.keys.jwk import public_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from authz.errors import Findings
    from authz.model import Algorithm, Issuer

__all__ = ["MAX_KEYS_WITHOUT_KID", "KeyRing", "VerificationKey", "read_keys"]

MAX_KEYS_WITHOUT_KID: Final = 4
MAX_KID_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key of one issuer, and the one algorithm it is for. `created_at` is what the file says of its age."""

    issuer: str
    kid: str
    algorithm: Algorithm
    material: PublicKeyTypes
    created_at: str | None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by issuer name, then by key id."""

    by_issuer: Mapping[str, Mapping[str, VerificationKey]]

    def named(self, issuer: Issuer, kid: str) -> VerificationKey | None:
        """Return the key with that id, of that issuer and no other."""
        return self.by_issuer[issuer.name].get(kid)

    def fitting(self, issuer: Issuer, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """Return the issuer's keys for an algorithm, at most four."""
        keys = self.by_issuer[issuer.name].values()
        return tuple(key for key in keys if key.algorithm is algorithm)[:MAX_KEYS_WITHOUT_KID]


def read_keys(folder: Path, issuers: Sequence[Issuer], *, allow_empty: bool, findings: Findings) -> KeyRing:
    """Read `<issuer name>.jwks.json` of each issuer; problems go to `findings`.

    An issuer without a key is a problem unless `allow_empty`.
    """
    owners: dict[bytes, VerificationKey] = {}
    ring: dict[str, Mapping[str, VerificationKey]] = {}
    for issuer in issuers:
        file = folder / f"{issuer.name}.jwks.json"
        keys = _read_set(file, issuer, findings)
        if not keys and not allow_empty and not _reported(file, findings):
            mend = "put the issuer's public keys there, or start with --allow-empty-issuers to refuse its tokens"
            findings.problem(file, 0, f"issuer '{issuer.name}' has no key: {mend}")
        for key in (keys or {}).values():
            other = owners.setdefault(_fingerprint(key.material), key)
            if other.issuer != key.issuer:
                message = f"key '{key.kid}' is also key '{other.kid}' of issuer '{other.issuer}': one key, one issuer"
                findings.problem(file, 0, message)
        ring[issuer.name] = MappingProxyType(keys or {})
    return KeyRing(MappingProxyType(ring))


def _read_set(file: Path, issuer: Issuer, findings: Findings) -> dict[str, VerificationKey] | None:
    try:
        content = strict_json.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        findings.problem(file, 0, f"cannot be read: {error.strerror}")
        return None
    except ValueError as error:
        findings.problem(file, getattr(error, "lineno", 0), f"is not JSON that we can read: {error}")
        return None
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        findings.problem(file, 0, "is no key set: it needs a list under 'keys' (RFC 7517, section 5)")
        return None
    keys: dict[str, VerificationKey] = {}
    for position, entry in enumerate(entries, start=1):
        kid = entry.get("kid") if isinstance(entry, dict) else None
        label = f"key '{kid}'" if isinstance(kid, str) else f"key {position}"
        try:
            key = _read_key(entry, issuer)
        except (ValueError, UnsupportedAlgorithm) as error:
            findings.problem(file, 0, f"{label} {error}")
            continue
        if keys.setdefault(key.kid, key) is not key:
            findings.problem(file, 0, f"{label} has a kid that stands twice")
    for algorithm in issuer.algorithms if issuer.allow_missing_kid else ():
        count = sum(key.algorithm is algorithm for key in keys.values())
        if count > MAX_KEYS_WITHOUT_KID:
            message = f"holds {count} {algorithm} keys, but a token without kid is tried with {MAX_KEYS_WITHOUT_KID}"
            findings.problem(file, 0, f"{message}: remove the oldest")
    return keys


def _read_key(entry: object, issuer: Issuer) -> VerificationKey:
    if not isinstance(entry, dict):
        raise ValueError("is no object")  # noqa: TRY004  one kind of error for whatever a file holds
    kid = entry.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
        raise ValueError(f"has no kid of 1 to {MAX_KID_LENGTH} characters")
    algorithm, material = public_key(entry)
    if algorithm not in issuer.algorithms:
        allowed = ", ".join(sorted(issuer.algorithms))
        raise ValueError(f"is for {algorithm}, but issuer '{issuer.name}' signs with {allowed} (issuers.yml)")
    created_at = entry.get("created_at")
    return VerificationKey(issuer.name, kid, algorithm, material, created_at if isinstance(created_at, str) else None)


def _fingerprint(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _reported(file: Path, findings: Findings) -> bool:
    return any(problem.file == file for problem in findings.problems)
