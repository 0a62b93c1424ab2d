"""The keys that may have signed a token, by its header and its issuer's configuration."""

from collections.abc import Sequence

from authz.model import Algorithm, Issuer, Trust
from authz.tokens.cache import CacheUse
from authz.tokens.jws import Jws
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.key import Signer
from authz.tokens.keys.ring import KeyRing
from authz.tokens.proof import TokenError


class Signers:
    """Finds the keys of one issuer, and of no other, that may have signed a token."""

    def __init__(self, ring: KeyRing, chains: ChainVerifier) -> None:
        self._ring = ring
        self._chains = chains

    def cache_use(self) -> CacheUse:
        """Return how the cache of chains was used so far."""
        return self._chains.cache_use()

    def candidates(self, jws: Jws, issuer: Issuer, now: float) -> Sequence[Signer] | TokenError:
        """Return the key that a chain or `kid` names, or the few that fit where a token may leave `kid` out."""
        algorithm = next((known for known in issuer.algorithms if known == jws.header["alg"]), None)
        if "x5c" in jws.header or "x5c" in jws.claims:
            return self._by_chain(jws, issuer, algorithm, now)
        if algorithm is None:
            return TokenError.ALGORITHM_NOT_ALLOWED
        if Trust.PACKAGED_KEYS not in issuer.trust:
            return TokenError.UNKNOWN_KEY
        kid = jws.header.get("kid")
        if isinstance(kid, str):
            return self._by_name(issuer, kid, algorithm)
        if not issuer.allow_missing_kid:
            return TokenError.UNKNOWN_KEY
        return [Signer(key) for key in self._ring.fitting(issuer, algorithm)] or TokenError.UNKNOWN_KEY

    def _by_name(self, issuer: Issuer, kid: str, algorithm: Algorithm) -> Sequence[Signer] | TokenError:
        key = self._ring.named(issuer, kid)
        if key is None:
            return TokenError.UNKNOWN_KEY
        return [Signer(key)] if key.algorithm is algorithm else TokenError.ALGORITHM_NOT_ALLOWED

    def _by_chain(
        self, jws: Jws, issuer: Issuer, algorithm: Algorithm | None, now: float
    ) -> Sequence[Signer] | TokenError:
        if Trust.CERTIFICATE_CHAIN not in issuer.trust or ("x5c" in jws.header and "x5c" in jws.claims):
            return TokenError.UNTRUSTED_CERTIFICATE
        if algorithm is None:
            return TokenError.ALGORITHM_NOT_ALLOWED
        signer = self._chains.verify(issuer, jws.header.get("x5c", jws.claims.get("x5c")), now)
        if signer is None:
            return TokenError.UNTRUSTED_CERTIFICATE
        if signer.key.algorithm is not algorithm:
            return TokenError.ALGORITHM_NOT_ALLOWED
        return [signer]
