"""The verifier: a token is believed when an issuer we know signed exactly these claims, for this backend, by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jwt

from authz.decision import TokenError
from authz.model import Algorithm
from authz.tokens.claims import parse_claims, standing_error
from authz.tokens.jws import parse
from authz.tokens.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.keys import KeyRing, VerificationKey
    from authz.model import BackendService, Claims, Issuer
    from authz.tokens.cache import ProofCache
    from authz.tokens.jws import Jws

__all__ = ["Verifier"]

MAX_LENGTH: Final = 8 * 1024
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "b64", "jku", "jwk", "x5u", "zip", "enc"})
_ALGORITHMS: Final = {algorithm: jwt.get_algorithm_by_name(algorithm.value) for algorithm in Algorithm}


class Verifier:
    """Verifies tokens of the given issuers with packaged keys; reads no clock and no network."""

    def __init__(self, issuers: Iterable[Issuer], keys: KeyRing, cache: ProofCache) -> None:
        self._issuers = {issuer.identifier: issuer for issuer in issuers}
        self._keys = keys
        self._cache = cache

    def verify(self, token: str, backend: BackendService, now: float) -> Claims | Refusal:
        """Return the claims of a token that is valid for a backend at `now`, in seconds since the epoch."""
        if len(token) > MAX_LENGTH:
            return Refusal(TokenError.TOO_LONG)
        key = self._cache.key(token)
        claims = self._cache.get(key, now)
        if claims is None:
            proven = self._prove(token)
            if isinstance(proven, Refusal):
                return proven
            claims = proven
            if claims.expires > now:
                self._cache.put(key, claims)
        error = standing_error(claims, backend, now)
        return Refusal(error, signature_valid=True) if error is not None else claims

    def _prove(self, token: str) -> Claims | Refusal:
        """Check all that does not depend on the request or the clock."""
        jws = parse(token)
        if jws is None or not _has_sound_header(jws):
            return Refusal(TokenError.MALFORMED)
        if not _FORBIDDEN_HEADERS.isdisjoint(jws.header):
            return Refusal(TokenError.FORBIDDEN_HEADER)
        issuer = self._issuer(jws)
        if isinstance(issuer, TokenError):
            return Refusal(issuer)
        keys = self._candidates(jws, issuer)
        if isinstance(keys, TokenError):
            return Refusal(keys)
        if not any(_signed(jws, key) for key in keys):
            return Refusal(TokenError.BAD_SIGNATURE)
        claims = parse_claims(jws.claims, issuer)
        return Refusal(claims, signature_valid=True) if isinstance(claims, TokenError) else claims

    def _issuer(self, jws: Jws) -> Issuer | TokenError:
        identifier = jws.claims.get("iss")
        if not isinstance(identifier, str):
            return TokenError.INVALID_CLAIM if "iss" in jws.claims else TokenError.MISSING_CLAIM
        return self._issuers.get(identifier, TokenError.UNKNOWN_ISSUER)

    def _candidates(self, jws: Jws, issuer: Issuer) -> tuple[VerificationKey, ...] | TokenError:
        """Return the keys of this issuer that may have signed: the one that `kid` names, or a few that fit."""
        if "x5c" in jws.header or "x5c" in jws.claims:
            return TokenError.UNTRUSTED_CERTIFICATE
        kid, named = jws.header.get("kid"), jws.header["alg"]
        algorithm = next((known for known in issuer.algorithms if known == named), None)
        if algorithm is None:
            return TokenError.ALGORITHM_NOT_ALLOWED
        if isinstance(kid, str):
            key = self._keys.named(issuer, kid)
            if key is None:
                return TokenError.UNKNOWN_KEY
            return (key,) if key.algorithm is algorithm else TokenError.ALGORITHM_NOT_ALLOWED
        if not issuer.allow_missing_kid:
            return TokenError.UNKNOWN_KEY
        return self._keys.fitting(issuer, algorithm) or TokenError.UNKNOWN_KEY


def _has_sound_header(jws: Jws) -> bool:
    return isinstance(jws.header.get("alg"), str) and isinstance(jws.header.get("kid", ""), str)


def _signed(jws: Jws, key: VerificationKey) -> bool:
    """Whether the key made this signature, by the key's own algorithm and no other."""
    try:
        return _ALGORITHMS[key.algorithm].verify(jws.signing_input, key.material, jws.signature)
    except Exception:  # noqa: BLE001  a foreign parser of hostile bytes: whatever it raises is no signature
        return False
