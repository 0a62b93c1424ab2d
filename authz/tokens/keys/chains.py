"""Certificate chains in tokens (`x5c`, RFC 7515, section 4.1.6): a leaf is trusted if a path leads to an anchor."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.verification import PolicyBuilder, Store

from authz.model import Algorithm, Issuer
from authz.tokens.cache import Cache, CacheUse
from authz.tokens.keys.anchors import strong_enough
from authz.tokens.keys.key import Signer, VerificationKey
from authz.tokens.keys.thumbprints import has_one_spelling, thumbprints

MAX_CERTIFICATES: Final = 4


class ChainVerifier:
    """Verifies chains against each issuer's own anchors, and caches those that it verified."""

    def __init__(self, anchors: Mapping[str, Sequence[x509.Certificate]], cache: Cache[Signer]) -> None:
        self._anchors = {issuer: tuple(certificates) for issuer, certificates in anchors.items() if certificates}
        self._cache = cache

    def cache_use(self) -> CacheUse:
        """Return how the cache of chains was used so far."""
        return self._cache.use()

    def verify(self, issuer: Issuer, x5c: object, now: float) -> Signer | None:
        """Return the leaf of a chain as a token carries it, if it is trusted. Four certificates bound the work."""
        chain = _octets(x5c)
        anchors = self._anchors.get(issuer.name)
        if not chain or anchors is None:
            return None
        # Each certificate is hashed alone: otherwise the same bytes, cut in two ways, would be one cache key.
        digests = b"".join(hashlib.sha256(octets).digest() for octets in chain)
        key = hashlib.sha256(issuer.name.encode() + b"\0" + digests).digest()
        signer = self._cache.get(key)
        if signer is None or not signer.holds_at(now):
            signer = _prove(issuer, chain, anchors, now)
            if signer is None or not signer.holds_at(now):
                return None
            self._cache.put(key, signer)
        return signer


def _octets(x5c: object) -> list[bytes] | None:
    """Return the DER certificates; x5c is standard base64 with padding, not base64url."""
    if not isinstance(x5c, list) or len(x5c) > MAX_CERTIFICATES:
        return None
    try:
        return [base64.b64decode(text, validate=True) for text in x5c]
    except (TypeError, ValueError):
        return None


def _prove(issuer: Issuer, chain: Sequence[bytes], anchors: Sequence[x509.Certificate], now: float) -> Signer | None:
    try:
        certificates = [x509.load_der_x509_certificate(octets) for octets in chain]
        leaf, *others = certificates
        moment = datetime.fromtimestamp(now, UTC)
        # The cheap check first: anyone who has seen an old token can send its chain, and every signature is right.
        if not leaf.not_valid_before_utc <= moment < leaf.not_valid_after_utc:
            return None
        if not all(map(has_one_spelling, certificates, chain)) or not _descends(certificates, anchors):
            return None
        algorithm = _algorithm(leaf)
        if algorithm not in issuer.algorithms or not _speaks_for(leaf, issuer.certificate_identity):
            return None
        verifier = (
            PolicyBuilder().store(Store(list(anchors))).time(moment).max_chain_depth(len(chain)).build_client_verifier()
        )
        path = verifier.verify(leaf, others).chain
        if not all(map(strong_enough, path)):
            return None
        names = thumbprints(path)
        return Signer(
            key=VerificationKey(issuer.name, f"x5c:{names[0]}", algorithm, leaf.public_key(), None),
            thumbprints=names,
            valid_from=max(certificate.not_valid_before_utc.timestamp() for certificate in path),
            valid_until=min(certificate.not_valid_after_utc.timestamp() for certificate in path),
        )
    except Exception:  # noqa: BLE001  a library's parser of hostile bytes: whatever it raises is a refusal
        return None


def _descends(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> bool:
    """Whether each certificate signed the one before it, and an anchor is or signed the last.

    From the top, so that no key costs time before its own certificate is verified. A search for a path among four
    certificates that an attacker made would take a hundred signature checks.
    """
    *_, last = chain
    if last not in anchors and not any(_signed(anchor, last) for anchor in anchors):
        return False
    return all(_signed(upper, lower) for lower, upper in reversed(list(pairwise(chain))))


def _signed(upper: x509.Certificate, lower: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _algorithm(leaf: x509.Certificate) -> Algorithm | None:
    """Return the one algorithm that a leaf's key is for, or None for a key of another kind."""
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
    """Whether a leaf may sign, and carries the identity: one root serves several issuers, so it must say whose it is.

    The path's verifier checks that it is no CA and has no critical extension that is unknown.
    """
    values = [extension.value for extension in leaf.extensions]
    if any(isinstance(value, x509.KeyUsage) and not value.digital_signature for value in values):
        return False
    lists = [value for value in values if isinstance(value, x509.SubjectAlternativeName)]
    return any(identity in names.get_values_for_type(x509.UniformResourceIdentifier) for names in lists)
