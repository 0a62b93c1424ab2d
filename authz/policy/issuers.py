"""The schema and the reader of `issuers.yml`: whose tokens are accepted, and what they may claim."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from authz.documents.findings import Findings
from authz.documents.reader import read
from authz.documents.schema import Duration, Schema
from authz.model import Algorithm, Issuer, TokenType, Trust
from authz.policy.catalog.model import Catalog
from authz.policy.claims import ClaimName, Header, bound

MAX_LIFETIME: Final = 366 * 86_400.0
MAX_LEEWAY: Final = 300.0

Realm = Annotated[str, Field(pattern=r"^[a-z-]{1,32}$")]
Nonempty = Annotated[str, Field(min_length=1)]


def _lifetime(seconds: float) -> float:
    if not 0 < seconds <= MAX_LIFETIME:
        raise ValueError("should be more than 0s and at most 366d: a stolen token works until it expires")
    return seconds


def _leeway(seconds: float) -> float:
    if seconds > MAX_LEEWAY:
        raise ValueError(
            "should be at most 5m: it allows for clocks that differ, and lets a token live that much longer"
        )
    return seconds


class IssuerEntry(Schema):
    """One issuer of `issuers.yml`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    issuer: Nonempty
    environment: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "production"
    token_type: Literal["instance", "user"]
    realms: Annotated[list[Realm], Field(min_length=1)] | None = None
    backend_services: Annotated[list[str], Field(min_length=1)] | None = None
    algorithms: Annotated[
        list[Literal["RS256", "ES256", "EdDSA"]], Field(min_length=1, default_factory=lambda: ["RS256"])
    ]
    max_lifetime: Annotated[Duration, AfterValidator(_lifetime)]
    leeway: Annotated[Duration, AfterValidator(_leeway)] | None = None
    allow_missing_kid: bool = False
    trust: Annotated[
        list[Literal["packaged_keys", "certificate_chain"]],
        Field(min_length=1, default_factory=lambda: ["packaged_keys"]),
    ]
    certificate_identity: Nonempty | None = None
    bind: Annotated[dict[Header, ClaimName], Field(min_length=1)] | None = Field(
        None, description="Headers, and the claim that each must equal if the token has it."
    )

    def built(self) -> Issuer:
        """Return the issuer, every default written out."""
        return Issuer(
            name=self.name,
            identifier=self.issuer,
            environment=self.environment,
            token_type=TokenType(self.token_type),
            realms=frozenset(self.realms or ()),
            backend_services=None if self.backend_services is None else frozenset(self.backend_services),
            algorithms=frozenset(map(Algorithm, self.algorithms)),
            max_lifetime=self.max_lifetime,
            expiry_leeway=0.0 if self.leeway is None else self.leeway,
            start_leeway=10.0 if self.leeway is None else self.leeway,
            allow_missing_kid=self.allow_missing_kid,
            trust=frozenset(map(Trust, self.trust)),
            certificate_identity=self.certificate_identity or self.issuer,
            bind=bound(self.bind or {}),
        )


class IssuersFile(Schema):
    """The keys of `issuers.yml`."""

    issuers: Annotated[list[IssuerEntry], Field(min_length=1)]


def read_issuers(file: Path, catalog: Catalog, findings: Findings) -> tuple[Issuer, ...]:
    """Read the issuers of every environment; problems go to `findings`."""
    document = read(file, IssuersFile, findings)
    if document is None:
        return ()
    entries = document.content.issuers
    for position, entry in enumerate(entries):
        for key, message in _problems(entry, entries[:position], catalog):
            document.problem(("issuers", position, key), message, findings)
    return tuple(entry.built() for entry in entries)


def _problems(entry: IssuerEntry, earlier: Sequence[IssuerEntry], catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an issuer or contradicts an earlier one: the key, and what to say of it."""
    if any(each.name == entry.name for each in earlier):
        yield "name", f"issuer name '{entry.name}' appears twice"
    claim = (entry.environment, entry.issuer)
    if any((each.environment, each.issuer) == claim for each in earlier):
        yield "issuer", f"environment and iss claim {claim} appear twice: a token would belong to both issuers"
    for name in entry.backend_services or ():
        if name not in catalog.backend_services:
            yield "backend_services", f"backend service '{name}' is not in the catalog"
    if "certificate_chain" in entry.trust:
        # Below one root, two issuers with one certificate identity could each sign for the other.
        same = (each for each in earlier if "certificate_chain" in each.trust and _identity(each) == _identity(entry))
        owner = next((each.name for each in same), entry.name)
        if owner != entry.name:
            key = "certificate_identity" if entry.certificate_identity else "issuer"
            yield key, f"'{_identity(entry)[1]}' is what leaves of issuer '{owner}' carry: one identity, one issuer"
    elif entry.certificate_identity is not None:
        yield "certificate_identity", "has no effect without certificate_chain under trust: remove it"


def _identity(entry: IssuerEntry) -> tuple[str, str]:
    return entry.environment, entry.certificate_identity or entry.issuer
