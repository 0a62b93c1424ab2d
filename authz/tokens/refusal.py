"""A refused token."""

from __future__ import annotations

from dataclasses import dataclass

from authz.deciding.reasons import TokenError
from authz.model import Claims, Issuer
from authz.tokens.signers import Signer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token was refused, and what was known of it by then.

    `issuer` is one of ours that the token names, proven or not; `signer` is there once the signature has proven it, and
    `claims` once they are known to be well formed.
    """

    error: TokenError
    issuer: Issuer | None = None
    signer: Signer | None = None
    claims: Claims | None = None

    @property
    def signature_valid(self) -> bool:
        """Whether a known issuer did sign it."""
        return self.signer is not None
