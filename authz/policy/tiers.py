"""The schema and the reader of `tiers.yml`: which tier a caller belongs to."""

from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, model_validator

from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.documents.reader import Document, read
from authz.documents.schema import Schema
from authz.model import Assignment, Issuer, TierBy, Tiers
from authz.policy.claims import ClaimName

_BY: Final = ("instances", "root_namespaces", "realm", "issuer", "claim")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Text = Annotated[str, Field(min_length=1, max_length=256)]
Texts = Annotated[list[Text], Field(min_length=1)]


class TierEntry(Schema):
    """One tier and its least number of seats."""

    name: Name
    min_seats: Annotated[int, Field(ge=1)]


class AssignEntry(Schema):
    """Callers that belong to a tier, whatever their seats."""

    tier: Name
    instances: Texts | None = Field(None, description="Values of gitlab_instance_id, else of an instance token's sub.")
    root_namespaces: Texts | None = Field(
        None, description="Values of the claim gitlab_root_namespace_id, as text; for tokens of gitlab.com only."
    )
    realm: Text | None = Field(
        None, description="The value of the claim gitlab_realm, such as saas; without the claim: self-managed."
    )
    issuer: Text | None = Field(None, description="An issuer's name in issuers.yml.")
    claim: ClaimName | None = Field(
        None, description="The name of a claim that must have one of 'values', or be a whole number of 'min' or more."
    )
    values: Texts | None = None
    min: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "AssignEntry":
        given = [name for name in _BY if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"should have one of {', '.join(_BY)}, not {' and '.join(given) or 'none of them'}")
        if (self.claim is not None) != ((self.values is None) != (self.min is None)):
            raise ValueError("should have 'values' or 'min' together with 'claim', and neither without it")
        return self

    def built(self) -> Assignment:
        """Return the value."""
        if self.claim is not None:
            by = TierBy.CLAIM if self.min is None else TierBy.LEAST
            return Assignment(self.tier, by, frozenset(self.values or ()), self.claim, self.min or 0)
        by = next(by for by in TierBy if getattr(self, by) is not None)
        listed = getattr(self, by)
        return Assignment(self.tier, by, frozenset([listed] if isinstance(listed, str) else listed))


class TiersFile(Schema):
    """The keys of `tiers.yml`."""

    default: Name
    assign: list[AssignEntry] = Field(
        default_factory=list, description="Tiers of certain callers. The first entry that fits decides, before seats."
    )
    tiers: list[TierEntry]


def read_tiers(file: Path, findings: Findings, issuers: Collection[Issuer] | None = None) -> Tiers:
    """Read `tiers.yml`; problems go to `findings`.

    `issuers` are those of every environment: entries may name only these. None skips that check.
    """
    document = read(file, TiersFile, findings)
    if document is None:
        return Tiers("any", ())
    entries = document.content.tiers
    names = [document.content.default, *(entry.name for entry in entries)]
    for position, entry in enumerate(entries):
        if entry.name in names[: position + 1]:
            document.problem(("tiers", position), f"tier '{entry.name}' appears twice", findings)
    for position, (lower, upper) in enumerate(pairwise(entries), start=1):
        if upper.min_seats <= lower.min_seats:
            message = f"tier '{upper.name}' needs more seats than '{lower.name}' before it: list tiers in rising order"
            document.problem(("tiers", position, "min_seats"), message, findings)
    _check_assignments(document, names, issuers, findings)
    return Tiers(
        document.content.default,
        tuple((entry.min_seats, entry.name) for entry in reversed(entries)),
        tuple(entry.built() for entry in document.content.assign),
    )


def _check_assignments(
    document: Document[TiersFile], tiers: Collection[str], issuers: Collection[Issuer] | None, findings: Findings
) -> None:
    known = None if issuers is None else {issuer.name for issuer in issuers}
    for position, entry in enumerate(document.content.assign):
        if entry.tier not in tiers:
            message = f"tier '{entry.tier}' is not under tiers{did_you_mean(entry.tier, tiers)}"
            document.problem(("assign", position, "tier"), message, findings)
        if entry.issuer is not None and known is not None and entry.issuer not in known:
            message = f"issuer '{entry.issuer}' is not in issuers.yml{did_you_mean(entry.issuer, known)}"
            document.problem(("assign", position, "issuer"), message, findings)
