"""Verifies tokens: a known issuer signed exactly these claims, and they are valid now, for this backend."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

import jwt

from authz.model import Algorithm, BackendService, Issuer, Trust
from authz.tokens.cache import Cache, CacheUse
from authz.tokens.claims import parse_claims, validity_error
from authz.tokens.jws import Jws, parse
from authz.tokens.keys.key import VerificationKey
from authz.tokens.proof import Proof, Refusal, TokenError
from authz.tokens.revocations import Revocations
from authz.tokens.signers import Signers

MAX_LENGTH: Final = 8 * 1024
MAX_LENGTH_WITH_CHAIN: Final = 16 * 1024
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "b64", "jku", "jwk", "x5u", "zip", "enc"})
_ALGORITHMS: Final = {algorithm: jwt.get_algorithm_by_name(algorithm.value) for algorithm in Algorithm}


class Verifier:
    """Verifies tokens of the given issuers; reads no clock and no network.

    `claims` are the claims that the policy names, beside those that every token has.

    Proofs are cached by the SHA-256 of the complete token; refusals are never cached.
    """

    def __init__(
        self,
        issuers: Collection[Issuer],
        signers: Signers,
        revocations: Revocations,
        cache: Cache[Proof],
        claims: Collection[str] = (),
    ) -> None:
        self._issuers = {issuer.identifier: issuer for issuer in issuers}
        self._max_length = max(map(_max_length, issuers), default=MAX_LENGTH)
        self._signers = signers
        self._revocations = revocations
        self._cache = cache
        self._claims = claims

    def verify(self, token: str, backend: BackendService, now: float) -> Proof | Refusal:
        """Return the proof of a token that is valid for a backend at `now`, in seconds since the epoch."""
        if len(token) > self._max_length:
            return Refusal(TokenError.TOO_LONG)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        proof = self._cache.get(digest)
        if proof is None or not proof.holds_at(now):
            proven = self._prove(token, now)
            if isinstance(proven, Refusal):
                return proven
            proof = proven
            if proof.holds_at(now):
                self._cache.put(digest, proof)
        error = validity_error(proof.claims, backend, now)
        signer = proof.signer
        if error is None and self._revocations.cover(proof.claims, signer.key.kid, signer.thumbprints, now):
            error = TokenError.REVOKED
        return Refusal(error, proof.claims.issuer, signer, proof.claims) if error is not None else proof

    def cache_use(self) -> Mapping[str, CacheUse]:
        """Return how the caches of tokens and chains were used so far."""
        return {"tokens": self._cache.use(), "chains": self._signers.cache_use()}

    def _prove(self, token: str, now: float) -> Proof | Refusal:
        """Check everything that does not depend on the request."""
        jws = parse(token)
        if jws is None or not _has_sound_header(jws):
            return Refusal(TokenError.MALFORMED)
        if not _FORBIDDEN_HEADERS.isdisjoint(jws.header):
            return Refusal(TokenError.FORBIDDEN_HEADER)
        issuer = self._issuer(jws)
        if isinstance(issuer, TokenError):
            return Refusal(issuer)
        if len(token) > _max_length(issuer):
            return Refusal(TokenError.TOO_LONG, issuer)
        signers = self._signers.candidates(jws, issuer, now)
        if isinstance(signers, TokenError):
            return Refusal(signers, issuer)
        signer = next((signer for signer in signers if _signed(jws, signer.key)), None)
        if signer is None:
            return Refusal(TokenError.BAD_SIGNATURE, issuer)
        if "cnf" in jws.claims:
            return Refusal(TokenError.SENDER_CONSTRAINED, issuer, signer)
        claims = parse_claims(jws.claims, issuer, self._claims)
        if isinstance(claims, TokenError):
            return Refusal(claims, issuer, signer)
        return Proof(claims, signer, signer.valid_from, min(claims.expires, signer.valid_until))

    def _issuer(self, jws: Jws) -> Issuer | TokenError:
        identifier = jws.claims.get("iss")
        if not isinstance(identifier, str):
            return TokenError.INVALID_CLAIM if "iss" in jws.claims else TokenError.MISSING_CLAIM
        return self._issuers.get(identifier, TokenError.UNKNOWN_ISSUER)


def _max_length(issuer: Issuer) -> int:
    return MAX_LENGTH_WITH_CHAIN if Trust.CERTIFICATE_CHAIN in issuer.trust else MAX_LENGTH


def _has_sound_header(jws: Jws) -> bool:
    return isinstance(jws.header.get("alg"), str) and isinstance(jws.header.get("kid", ""), str)


def _signed(jws: Jws, key: VerificationKey) -> bool:
    """Whether the key made this signature, by the key's own algorithm and no other."""
    try:
        return _ALGORITHMS[key.algorithm].verify(jws.signing_input, key.material, jws.signature)
    except Exception:  # noqa: BLE001  a library's parser of hostile bytes: whatever it raises means no signature
        return False
