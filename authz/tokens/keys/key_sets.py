"""Key sets (RFC 7517, section 5): the packaged public keys of one issuer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from authz.documents.findings import Findings
from authz.model import Issuer
from authz.tokens import strict_json
from authz.tokens.keys.jwk import public_key
from authz.tokens.keys.key import VerificationKey

MAX_KEYS_WITHOUT_KID: Final = 4
MAX_KID_LENGTH: Final = 256


def read_key_set(file: Path, issuer: Issuer, findings: Findings) -> Mapping[str, VerificationKey]:
    """Read a key set, empty if there is no such file; each key that cannot be used is a problem that names it."""
    try:
        content = strict_json.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        findings.problem(file, 0, f"cannot be read: {error.strerror}")
        return {}
    except ValueError as error:
        findings.problem(file, getattr(error, "lineno", 0), f"is not JSON that can be read: {error}")
        return {}
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        findings.problem(file, 0, "is not a key set: it needs a list under 'keys' (RFC 7517, section 5)")
        return {}
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
            findings.problem(file, 0, f"{label} has a kid that another key has too")
    for algorithm in issuer.algorithms if issuer.allow_missing_kid else ():
        count = sum(key.algorithm is algorithm for key in keys.values())
        if count > MAX_KEYS_WITHOUT_KID:
            message = f"has {count} {algorithm} keys, but a token without kid is tried with {MAX_KEYS_WITHOUT_KID}"
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
