"""Every row of the entitlement table, through the one function that decides it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

import pytest
from pydantic import BeforeValidator, Field

from authz.catalog import Catalog
from authz.catalog_files import OperatorFile, UnitPrimitiveFile, moment
from authz.documents import Schema, read
from authz.entitlement import Customer, Lack, entitled_scopes, lacks
from authz.errors import Findings
from authz.versions import Version

Part = dict[str, Any]  # Any: what the schema of the part reads
Moment = Annotated[Any, BeforeValidator(moment)]


class Row(Schema):
    """What differs from the common ground, and what comes of it."""

    id: str
    unit_primitive: Part = Field(default={})
    operator: Part | None = Field(default={})
    customer: Part = Field(default={})
    at: Moment = None
    lacks: list[str] = Field(default=[])


class Common(Schema):
    """A customer that is entitled."""

    unit_primitive: Part
    operator: Part
    customer: Part
    at: Moment


class Table(Schema):
    """The contents of `entitlement.yaml`."""

    null_says_something: ClassVar[bool] = True

    common: Common
    cases: list[Row]


def read_table() -> Table:
    findings = Findings()
    document = read(Path(__file__).parent / "entitlement.yaml", Table, findings)
    findings.conclude()
    assert document is not None
    return document.content


TABLE: Final = read_table()
COMMON: Final = TABLE.common


def case(row: Row) -> tuple[Catalog, Customer]:
    """Return a catalog with the one unit primitive, and the customer."""
    unit = UnitPrimitiveFile.model_validate(COMMON.unit_primitive | row.unit_primitive).built()
    operators = {}
    if row.operator is not None:
        operator = OperatorFile.model_validate(COMMON.operator | row.operator).built()
        operators[operator.name] = operator
    catalog = Catalog(MappingProxyType({unit.name: unit}), MappingProxyType({}), operators=operators)
    customer = COMMON.customer | row.customer
    version = customer["gitlab_version"]
    return catalog, Customer(
        license_type=customer["license_type"],
        add_ons=frozenset(customer["add_ons"]),
        operator=customer["operator"],
        gitlab_version=None if version is None else Version.parse(version),
    )


@pytest.mark.parametrize("row", TABLE.cases, ids=[row.id for row in TABLE.cases])
def test_a_customer_lacks_what_the_table_says(row: Row) -> None:
    catalog, customer = case(row)
    [unit] = catalog.unit_primitives.values()
    now = row.at or COMMON.at
    assert lacks(unit, customer, catalog, now) == tuple(map(Lack, row.lacks))
    assert entitled_scopes(catalog, "ai_gateway", customer, now) == (() if row.lacks else (unit.name,))


def test_everything_that_can_be_lacking_has_a_case() -> None:
    assert {lack for row in TABLE.cases for lack in row.lacks} == set(Lack)


def test_no_case_stands_twice() -> None:
    ids = [row.id for row in TABLE.cases]
    assert len(set(ids)) == len(ids)
