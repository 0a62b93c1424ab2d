"""The trusted keys and anchors as plain values for metrics: how old each key is, when each anchor expires."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from authz.tokens.keys.ring import KeyRing


@dataclass(frozen=True, slots=True)
class PackagedKey:
    """A key of an issuer; `created` (seconds since the epoch) is None where its file does not date it."""

    issuer: str
    kid: str
    created: float | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trust anchor of an issuer, by its SHA-256 thumbprint; `ends` is when it expires (seconds since the epoch)."""

    issuer: str
    thumbprint: str
    ends: float


@dataclass(frozen=True, slots=True)
class Trusted:
    """Every key and anchor of a policy."""

    keys: tuple[PackagedKey, ...] = ()
    anchors: tuple[Anchor, ...] = ()


def trusted(ring: KeyRing) -> Trusted:
    """Return the keys and anchors of a key ring."""
    keys = [
        PackagedKey(key.issuer, key.kid, _moment(key.created_at))
        for every in ring.by_issuer.values()
        for key in every.values()
    ]
    anchors = [_anchor(issuer, certificate) for issuer, every in ring.anchors.items() for certificate in every]
    return Trusted(tuple(keys), tuple(anchors))


def _anchor(issuer: str, certificate: Certificate) -> Anchor:
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return Anchor(issuer, thumbprint, certificate.not_valid_after_utc.timestamp())


def _moment(written: str | None) -> float | None:
    """Read a date as RFC 3339 has it; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(written or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
