"""Reads the entitlement table: a customer, a catalog with one unit primitive, and what the customer lacks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field, ValidationError

from authz.documents.findings import Findings
from authz.documents.reader import Document, read
from authz.documents.schema import Schema, moment
from authz.policy.catalog.entitlement import Customer, Lack
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.schema import OperatorFile, UnitPrimitiveFile
from authz.policy.catalog.versions import Version
from tests.support.cases.problems import PROBLEMS, shown
from tests.support.repository import CASES as CASE_FILES

FILE: Final = CASE_FILES / "entitlement.yaml"
Part = dict[str, Any]  # Any: what the schema of the part reads
Moment = Annotated[Any, BeforeValidator(moment)]
KEYS: Final = {
    "unit_primitive": frozenset(UnitPrimitiveFile.model_fields),
    "operator": frozenset(OperatorFile.model_fields),
    "customer": frozenset({"license_type", "add_ons", "operator", "gitlab_version"}),
}


class Row(Schema):
    """The differences from the common values, and the expected result."""

    id: str
    unit_primitive: Part = Field(default={})
    operator: Part | None = Field(default={})
    customer: Part = Field(default={})
    at: Moment = None
    lacks: list[str] = Field(default=[])


class Common(Schema):
    """The common values: a customer that is entitled."""

    unit_primitive: Part
    operator: Part
    customer: Part
    at: Moment


class Table(Schema):
    """The contents of `entitlement.yaml`."""

    null_has_meaning: ClassVar[bool] = True

    common: Common
    cases: list[Row]


@dataclass(frozen=True, slots=True)
class Case:
    """One row with its values built, and its place in the file."""

    place: str
    name: str
    catalog: Catalog
    customer: Customer
    now: datetime
    lacks: tuple[Lack, ...]

    def __str__(self) -> str:
        return f"{self.place}: case '{self.name}'"


def read_cases(file: Path, findings: Findings) -> list[Case]:
    """Read the table; its problems go to `findings`, with file and line."""
    document = read(file, Table, findings)
    return list(_cases(document, findings)) if document else []


def _cases(document: Document[Table], findings: Findings) -> Iterator[Case]:
    lines: dict[str, int] = {}
    for position, row in enumerate(document.content.cases):
        line = document.line(("cases", position))
        problems = list(_problems(row))
        if row.id in lines:
            problems.append(f"appears twice, first on line {lines[row.id]}")
        lines.setdefault(row.id, line)
        try:
            built = _built(row, document.content.common, f"{shown(document.file)}:{line}")
        except ValidationError as error:
            problems += [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            problems.append(str(error))
        for problem in problems:
            findings.problem(document.file, line, f"case '{row.id}': {problem}")
        if not problems:
            yield built


def _problems(row: Row) -> Iterator[str]:
    for part, known in KEYS.items():
        yield from (f"unknown key '{key}' in {part}" for key in sorted((getattr(row, part) or {}).keys() - known))


def _built(row: Row, common: Common, place: str) -> Case:
    unit = UnitPrimitiveFile.model_validate(common.unit_primitive | row.unit_primitive).built()
    operators = {}
    if row.operator is not None:
        operator = OperatorFile.model_validate(common.operator | row.operator).built()
        operators[operator.name] = operator
    customer = common.customer | row.customer
    version = customer["gitlab_version"]
    return Case(
        place=place,
        name=row.id,
        catalog=Catalog(MappingProxyType({unit.name: unit}), MappingProxyType({}), operators=operators),
        customer=Customer(
            license_type=customer["license_type"],
            add_ons=frozenset(customer["add_ons"]),
            operator=customer["operator"],
            gitlab_version=None if version is None else Version.parse(version),
        ),
        now=row.at or common.at,
        lacks=tuple(map(Lack, row.lacks)),
    )


CASES: Final = read_cases(FILE, PROBLEMS)
