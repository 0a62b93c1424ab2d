"""A bounded memory of proofs: which exact tokens were seen to carry a valid signature, and what they say."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authz.model import Claims

__all__ = ["ProofCache"]

DEFAULT_CAPACITY: Final = 20_000


class ProofCache:
    """Proofs by the SHA-256 of the token. It holds no refusal, and at most `capacity` proofs.

    Two generations of half the capacity each: what was not asked for while one filled is forgotten. Every step is one
    dictionary operation, so threads need no lock.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[bytes, Claims] = {}
        self._old: dict[bytes, Claims] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @staticmethod
    def key(token: str) -> bytes:
        """Return what a token is filed under; the token itself is not kept."""
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes, now: float) -> Claims | None:
        """Return the claims of a proven token that has not expired."""
        claims = self._young.get(key)
        if claims is None:
            claims = self._old.get(key)
            if claims is None:
                return None
            self.put(key, claims)
        return claims if claims.expires > now else None

    def put(self, key: bytes, claims: Claims) -> None:
        """Remember a proof, and forget the older half when the younger is full."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = claims
