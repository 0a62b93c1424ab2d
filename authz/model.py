"""The values that a decision is made from: request, rule, issuer, claims and tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

SELF_MANAGED: Final = "self-managed"
"""The realm of customers' own instances."""
SAAS: Final = "saas"
"""The realm of gitlab.com, where one instance serves many customers."""


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
class Authenticated:
    """A valid token for the backend is enough; it needs no unit primitive."""


Demand = AllOf | AnyOf | Authenticated
"""What the scopes of a token must contain."""


@dataclass(frozen=True, slots=True)
class ByHeader:
    """The value of the named header (lower-case) decides what is demanded; values that are not listed are refused.

    `known` are the unit primitives of the catalog: a refusal may name them, because the policy does.
    """

    header: str
    demands: Mapping[str, AllOf | AnyOf]
    known: frozenset[str]


Access = Demand | ByHeader


@dataclass(frozen=True, slots=True)
class Bound:
    """A header that must equal a claim, where the token has that claim. `spelt` is the header as clients read it."""

    header: str
    spelt: str
    claim: str


@dataclass(frozen=True, slots=True)
class Gone:
    """When an endpoint is removed: from `at` (seconds since the epoch) on it answers 410 with `text`."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class PublicRule:
    """An endpoint that anyone may use; a token is ignored. `shadow` is as in `TokenRule`."""

    backend: BackendService
    methods: tuple[str, ...]
    gone: Gone | None = None
    shadow: "Rule | None" = None


@dataclass(frozen=True, slots=True)
class GoneRule:
    """A removed endpoint: it answers 410 before the date in `gone` too."""

    backend: BackendService
    methods: tuple[str, ...]
    gone: Gone
    shadow: "Rule | None" = None


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What an endpoint demands of a token.

    `required_headers` are spelt as clients read them. `claims` are claims and the texts that each may be. `denied` is
    the text of every 403, empty for the usual one; `{unit_primitive}` in it is the one that is missing. `shadow` is a
    rule that is tried: it is decided and logged, and changes no answer. With `ends_with_token`, a stream that this rule
    allowed ends when its token or the certificate chain of its signer expires.
    """

    backend: BackendService
    methods: tuple[str, ...]
    access: Access
    token_types: frozenset[TokenType]
    required_headers: tuple[str, ...]
    not_issuers: frozenset[str] = frozenset()
    needs_authentication_type: bool = True
    claims: tuple[tuple[str, frozenset[str]], ...] = ()
    bind: tuple[Bound, ...] = ()
    denied: str = ""
    ends_with_token: bool = False
    gone: Gone | None = None
    shadow: "Rule | None" = None


Rule = PublicRule | GoneRule | TokenRule


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
    bind: tuple[Bound, ...] = ()

    def mints_for(self, backend: BackendService) -> bool:
        """Whether this issuer may issue tokens for that backend."""
        return self.backend_services is None or backend.name in self.backend_services


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token with a valid signature. Dates are seconds since the epoch; an absent text is empty.

    `seats` is None if the claim is absent or not a number. `named` are the claims that the policy names, as text;
    absent and empty ones are left out.
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
    root_namespace_id: str
    seats: int | None
    named: Mapping[str, str]

    @property
    def counted_realm(self) -> str:
        """The realm that limits and tiers use; a token without one counts as self-managed."""
        return self.realm or SELF_MANAGED

    @property
    def instance(self) -> str:
        """The instance that the token is for; empty if it names none."""
        if self.instance_id or self.issuer.token_type is TokenType.USER:
            return self.instance_id
        return self.subject


class TierBy(StrEnum):
    """What an assignment to a tier looks at."""

    INSTANCE = "instances"
    ROOT_NAMESPACE = "root_namespaces"
    REALM = "realm"
    ISSUER = "issuer"
    CLAIM = "claim"
    LEAST = "min"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Callers that belong to a tier: those whose value is one of `values`, or a number of `least` or more.

    `claim` names the claim whose value counts, for the last two of `TierBy`; else it is empty.
    """

    tier: str
    by: TierBy
    values: frozenset[str] = frozenset()
    claim: str = ""
    least: int = 0

    def covers(self, claims: Claims) -> bool:
        """Whether the bearer of these claims belongs to the tier."""
        match self.by:
            case TierBy.INSTANCE:
                return claims.instance in self.values
            case TierBy.ROOT_NAMESPACE:
                # On a customer's own instance the number is its own, and may equal one of gitlab.com's.
                return claims.counted_realm == SAAS and claims.root_namespace_id in self.values
            case TierBy.REALM:
                return claims.counted_realm in self.values
            case TierBy.ISSUER:
                return claims.issuer.name in self.values
            case TierBy.CLAIM:
                return claims.named.get(self.claim) in self.values
            case TierBy.LEAST:
                number = claims.named.get(self.claim, "")
                return number.isdecimal() and number.isascii() and int(number) >= self.least
            case _ as unreachable:
                assert_never(unreachable)


@dataclass(frozen=True, slots=True)
class Tiers:
    """Which tier a caller belongs to: the first assignment that covers it, else its seats, else the default.

    `descending` are tiers with their least number of seats, largest first.
    """

    default: str
    descending: tuple[tuple[int, str], ...]
    assign: tuple[Assignment, ...] = ()

    def of(self, claims: Claims) -> str:
        """Return the tier of the bearer of these claims."""
        for assignment in self.assign:
            if assignment.covers(claims):
                return assignment.tier
        if claims.seats is not None:
            for least, name in self.descending:
                if claims.seats >= least:
                    return name
        return self.default
