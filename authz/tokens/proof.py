"""A proven token: an issuer that we trust signed exactly these claims."""

from __future__ import annotations

from dataclasses import dataclass

from authz.model import Claims
from authz.tokens.keys.key import VerificationKey
from authz.tokens.signers import Signer


@dataclass(frozen=True, slots=True)
class Proof:
    """Claims, and who signed them.

    It may be remembered while it holds: from `valid_from` until `valid_until`, the earliest end of token and chain, in
    seconds since the epoch.
    """

    claims: Claims
    signer: Signer
    valid_from: float
    valid_until: float

    @property
    def key(self) -> VerificationKey:
        """The key that signed."""
        return self.signer.key

    def holds_at(self, now: float) -> bool:
        """Whether nothing that was proven has ended since."""
        return self.valid_from <= now < self.valid_until
