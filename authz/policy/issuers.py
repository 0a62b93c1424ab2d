"""The schema and the reader of `issuers.yml`: whose tokens are accepted, and what they may claim."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from authz.documents.findings import Findings
from authz.documents.reader import Document, read
from authz.documents.schema import Duration, Schema
from authz.model import Algorithm, Issuer, TokenType, Trust
from authz.policy.catalog.model import Catalog

MAX_LIFETIME: Final = 366 * 86_400.0
MAX_LEEWAY: Final = 300.0

Realm = Annotated[str, Field(pattern=r"^[a-z-]{1,32}$")]
Nonempty = Annotated[str, Field(min_length=1)]


def _lifetime(seconds: float) -> float:
    if not 0 < seconds <= MAX_LIFETIME:
        raise ValueError("should be more than 0s and at most 366d: a leaked token is good until it expires")
    return seconds


def _leeway(seconds: float) -> float:
    if seconds > MAX_LEEWAY:
        raise ValueError("should be at most 5m: it is for clocks that differ, and expired tokens live that much longer")
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
    _report_duplicates(document, "name", (entry.name for entry in entries), "issuer name {} appears twice", findings)
    _report_duplicates(
        document,
        "issuer",
        ((entry.environment, entry.issuer) for entry in entries),
        "environment and iss claim {} appear twice: a token would belong to both issuers",
        findings,
    )
    _report_shared_identities(document, findings)
    for position, entry in enumerate(entries):
        for name in entry.backend_services or ():
            if name not in catalog.backend_services:
                message = f"backend service '{name}' is not in the catalog"
                document.problem(("issuers", position, "backend_services"), message, findings)
        if entry.certificate_identity is not None and "certificate_chain" not in entry.trust:
            message = "has no effect without certificate_chain under trust: remove it"
            document.problem(("issuers", position, "certificate_identity"), message, findings)
    return tuple(entry.built() for entry in entries)


def _report_shared_identities(document: Document[IssuersFile], findings: Findings) -> None:
    """Report two issuers with one certificate identity: below one root, each could sign for the other."""
    owners: dict[tuple[str, str], str] = {}
    for position, entry in enumerate(document.content.issuers):
        issuer = entry.built()
        if Trust.CERTIFICATE_CHAIN not in issuer.trust:
            continue
        owner = owners.setdefault((issuer.environment, issuer.certificate_identity), issuer.name)
        if owner != issuer.name:
            key = "certificate_identity" if entry.certificate_identity else "issuer"
            identity = issuer.certificate_identity
            message = f"'{identity}' is what leaves of issuer '{owner}' carry: one identity, one issuer"
            document.problem(("issuers", position, key), message, findings)


def _report_duplicates(
    document: Document[IssuersFile], key: str, values: Iterable[object], message: str, findings: Findings
) -> None:
    seen: set[object] = set()
    for position, value in enumerate(values):
        if value in seen:
            document.problem(("issuers", position, key), message.format(repr(value)), findings)
        seen.add(value)
