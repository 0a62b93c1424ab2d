"""Certificate chains in tokens (`x5c`, RFC 7515, section 4.1.6): a leaf is believed when an anchor vouches for it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from authz.keys.anchors import strong_enough
from authz.keys.key import VerificationKey
from authz.memory import Memory
from authz.model import Algorithm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authz.model import Issuer

__all__ = ["ChainProof", "ChainVerifier"]

MAX_CERTIFICATES: Final = 4
_CAPACITY: Final = 1_000
_CRITICAL: Final = frozenset({x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.SubjectAlternativeName.oid})


@dataclass(frozen=True, slots=True)
class ChainProof:
    """A leaf's key that an issuer's anchor vouches for, from `valid_from` to `valid_until` (seconds since the epoch).

    `thumbprints` are the SHA-256 of every certificate on the way, in lower-case hex, leaf first.
    """

    key: VerificationKey
    valid_from: float
    valid_until: float
    thumbprints: tuple[str, ...]


class ChainVerifier:
    """Verifies chains against each issuer's own anchors, and remembers the chains that it verified."""

    def __init__(self, anchors: Mapping[str, Sequence[x509.Certificate]]) -> None:
        self._stores = {issuer: Store(list(certificates)) for issuer, certificates in anchors.items() if certificates}
        self._memory: Memory[ChainProof] = Memory(_CAPACITY)

    def verify(self, issuer: Issuer, x5c: object, now: float) -> ChainProof | None:
        """Return the proof for a chain as it stands in a token, or None. The work is bounded by four certificates."""
        chain = _octets(x5c)
        store = self._stores.get(issuer.name)
        if chain is None or store is None:
            return None
        # Every certificate's own digest first: otherwise two ways to cut the same bytes would be one key.
        digests = b"".join(hashlib.sha256(octets).digest() for octets in chain)
        key = hashlib.sha256(issuer.name.encode() + b"\0" + digests).digest()
        proof = self._memory.get(key)
        if proof is None:
            proof = _prove(issuer, chain, store, now)
            if proof is None:
                return None
            self._memory.put(key, proof)
        return proof if proof.valid_from <= now < proof.valid_until else None


def _octets(x5c: object) -> list[bytes] | None:
    """Return the DER certificates; x5c is standard base64 with padding, not base64url."""
    if not isinstance(x5c, list) or not 0 < len(x5c) <= MAX_CERTIFICATES:
        return None
    try:
        return [base64.b64decode(text, validate=True) for text in x5c]
    except (TypeError, ValueError):
        return None


def _prove(issuer: Issuer, chain: list[bytes], store: Store, now: float) -> ChainProof | None:
    try:
        leaf, *others = (x509.load_der_x509_certificate(octets) for octets in chain)
        algorithm = _algorithm(leaf)
        if algorithm not in issuer.algorithms or not _speaks_for(leaf, issuer.certificate_identity):
            return None
        moment = datetime.fromtimestamp(now, UTC)
        verifier = PolicyBuilder().store(store).time(moment).max_chain_depth(MAX_CERTIFICATES).build_client_verifier()
        path = verifier.verify(leaf, others).chain
    except (VerificationError, ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None
    if not all(strong_enough(certificate) for certificate in path):
        return None
    thumbprints = tuple(certificate.fingerprint(SHA256()).hex() for certificate in path)
    return ChainProof(
        key=VerificationKey(issuer.name, f"x5c:{thumbprints[0]}", algorithm, leaf.public_key(), None),
        valid_from=max(certificate.not_valid_before_utc.timestamp() for certificate in path),
        valid_until=min(certificate.not_valid_after_utc.timestamp() for certificate in path),
        thumbprints=thumbprints,
    )


def _algorithm(leaf: x509.Certificate) -> Algorithm | None:
    """Return the one algorithm that a leaf's key is for, or None for a key that we take no signatures from."""
    match leaf.public_key():
        case rsa.RSAPublicKey():
            return Algorithm.RS256
        case ec.EllipticCurvePublicKey() as key if isinstance(key.curve, ec.SECP256R1):
            return Algorithm.ES256
        case ed25519.Ed25519PublicKey():
            return Algorithm.EDDSA
        case _:
            return None


def _speaks_for(leaf: x509.Certificate, identity: str) -> bool:
    """Whether a leaf is no CA, may sign, and carries the identity; one root serves several issuers, so it must."""
    extensions = leaf.extensions
    if any(extension.critical and extension.oid not in _CRITICAL for extension in extensions):
        return False
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return False
            case x509.KeyUsage(digital_signature=False):
                return False
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return identity in names.get_values_for_type(x509.UniformResourceIdentifier)
