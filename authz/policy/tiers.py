"""The schema and the reader of `tiers.yml`: which tier a customer's purchased seats lead to."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import Field

from authz.documents.findings import Findings
from authz.documents.reader import read
from authz.documents.schema import Schema
from authz.model import Tiers

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class TierEntry(Schema):
    """One tier and its least number of seats."""

    name: Name
    min_seats: Annotated[int, Field(ge=1)]


class TiersFile(Schema):
    """The keys of `tiers.yml`."""

    default: Name
    tiers: list[TierEntry]


def read_tiers(file: Path, findings: Findings) -> Tiers:
    """Read `tiers.yml`; problems go to `findings`."""
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
    return Tiers(document.content.default, tuple((entry.min_seats, entry.name) for entry in reversed(entries)))
