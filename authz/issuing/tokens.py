"""Signs tokens for development, with the claims that the real issuers put into theirs."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import jwt

from authz.issuing.authority import read_chain
from authz.issuing.key_pairs import read_pair
from authz.model import BackendService, Issuer, TokenType
from authz.tokens.claims import parse_claims, validity_error
from authz.tokens.proof import TokenError


class ChainPlace(StrEnum):
    """The part of a token that carries the certificate chain."""

    HEADER = "header"
    CLAIMS = "claims"


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a new token is to say. `lifetime` is seconds; `realm` None is the first of the issuer's realms."""

    issuer: Issuer
    backend: BackendService
    scopes: tuple[str, ...]
    instance_id: str
    user: str | None
    realm: str | None
    seats: int | None
    lifetime: float

    def claims(self, now: int) -> dict[str, object]:
        """Return the claims that the real issuers put into tokens of this kind; `now` is seconds since the epoch."""
        is_for_user = self.issuer.token_type is TokenType.USER
        return {
            "iss": self.issuer.identifier,
            "sub": self.user if is_for_user else self.instance_id,
            "aud": self.backend.audience,
            "iat": now,
            "nbf": now if is_for_user else now - 5,
            "exp": now + int(self.lifetime),
            "jti": str(uuid.uuid4()),
            "gitlab_realm": self.realm or min(self.issuer.realms, default="self-managed"),
            "gitlab_instance_id": self.instance_id,
            "scopes": list(self.scopes),
            **({} if self.seats is None else {"duo_seat_count": self.seats}),
        }

    def error(self, claims: Mapping[str, object], now: int) -> TokenError | None:
        """Return why the service would refuse these claims, by the service's own checks, or None."""
        parsed = parse_claims(claims, self.issuer)
        return parsed if isinstance(parsed, TokenError) else validity_error(parsed, self.backend, now)


def sign(claims: Mapping[str, object], keys: Path, issuer: Issuer) -> str:
    """Return a token signed with the issuer's development pair. Raises OSError or ValueError if there is none."""
    pair = read_pair(keys, issuer)
    headers = {} if issuer.allow_missing_kid else {"kid": pair.kid}
    return jwt.encode(dict(claims), pair.private_pem, algorithm=pair.algorithm.value, headers=headers)


def sign_with_chain(claims: Mapping[str, object], keys: Path, issuer: Issuer, place: ChainPlace) -> str:
    """Return a token signed with the issuer's development leaf, which carries the chain. Raises as `sign` does."""
    chain = read_chain(keys, issuer)
    x5c: dict[str, object] = {"x5c": list(chain.x5c)}
    headers, more = (x5c, {}) if place is ChainPlace.HEADER else ({}, x5c)
    return jwt.encode({**claims, **more}, chain.private_pem, algorithm=chain.algorithm.value, headers=headers)
