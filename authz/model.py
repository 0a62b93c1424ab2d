"""The values that a decision is made from: request, rule, issuer, claims and tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TokenType(StrEnum):
    """Who a token was issued to."""

    INSTANCE = "instance"
    USER = "user"


class Algorithm(StrEnum):
    """The signature algorithms on offer (RFC 7518, RFC 8037); a key has exactly one of them."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class Trust(StrEnum):
    """What an issuer's signatures are checked against."""

    PACKAGED_KEYS = "packaged_keys"
    CERTIFICATE_CHAIN = "certificate_chain"


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of an HTTP request that a decision depends on.

    `target` is the path with its query, as Envoy received it; the names in `headers` are lower-case; `label` is the
    backend service that Envoy's route says it leads to, or None.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    label: str | None


@dataclass(frozen=True, slots=True)
class BackendService:
    """A service behind Envoy, and the audience that a token for it must carry."""

    name: str
    audience: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of these unit primitives, in the rule's order; never empty."""

    unit_primitives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of these unit primitives, the first that the token holds; never empty."""

    unit_primitives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ByHeader:
    """The unit primitive that the named header (lower-case) asks for, if it is one of those allowed."""

    header: str
    allowed: frozenset[str]


Access = AllOf | AnyOf | ByHeader


@dataclass(frozen=True, slots=True)
class PublicRule:
    """An endpoint that anyone may use; a token is ignored."""

    backend: BackendService
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What an endpoint demands of a token. `required_headers` are spelt as clients read them."""

    backend: BackendService
    methods: tuple[str, ...]
    access: Access
    token_types: frozenset[TokenType]
    required_headers: tuple[str, ...]


Rule = PublicRule | TokenRule


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, and what these may claim. Lifetimes and leeways are seconds.

    `realms` empty means any realm; `backend_services` None means all of them.
    """

    name: str
    identifier: str
    environment: str
    token_type: TokenType
    realms: frozenset[str]
    backend_services: frozenset[str] | None
    algorithms: frozenset[Algorithm]
    max_lifetime: float
    expiry_leeway: float
    start_leeway: float
    allow_missing_kid: bool
    trust: frozenset[Trust]
    certificate_identity: str

    def mints_for(self, backend: BackendService) -> bool:
        """Whether this issuer may issue tokens for that backend."""
        return self.backend_services is None or backend.name in self.backend_services


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token with a valid signature. Dates are seconds since the epoch; an absent text is empty.

    `seats` is None if the claim is absent or not a number.
    """

    issuer: Issuer
    subject: str
    audiences: frozenset[str]
    scopes: frozenset[str]
    expires: float
    issued: float
    not_before: float | None
    realm: str
    instance_id: str
    token_id: str
    seats: int | None


@dataclass(frozen=True, slots=True)
class Tiers:
    """The default tier, and the others with their least number of seats, largest first."""

    default: str
    descending: tuple[tuple[int, str], ...]

    def of(self, seats: int | None) -> str:
        """Return the tier for that many seats; None is a customer whose seats are not known."""
        if seats is not None:
            for least, name in self.descending:
                if seats >= least:
                    return name
        return self.default
