"""The result of verifying a token: the proof that an issuer signed it, or the refusal with its reason."""

from dataclasses import dataclass
from enum import StrEnum

from authz.model import Claims, Issuer
from authz.tokens.keys.key import Signer


class TokenError(StrEnum):
    """Why a token was refused. For logs and metrics; a client never learns it."""

    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    FORBIDDEN_HEADER = "forbidden_header"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_REALM = "wrong_realm"
    MISSING_CLAIM = "missing_claim"
    INVALID_CLAIM = "invalid_claim"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    UNTRUSTED_CERTIFICATE = "untrusted_certificate"
    REVOKED = "revoked"
    SENDER_CONSTRAINED = "sender_constrained"


@dataclass(frozen=True, slots=True)
class Proof:
    """Claims, and who signed them.

    It may be cached while it is valid: from `valid_from` until `valid_until`, the earliest end of token and chain, in
    seconds since the epoch.
    """

    claims: Claims
    signer: Signer
    valid_from: float
    valid_until: float

    @property
    def issuer(self) -> Issuer:
        """Who issued the token."""
        return self.claims.issuer

    def holds_at(self, now: float) -> bool:
        """Whether the token and its certificates are valid at `now`."""
        return self.valid_from <= now < self.valid_until


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token was refused, and what was known about it by then.

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
