"""Entitlement: which unit primitives a customer gets, and what it lacks for the others."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from authz.policy.catalog.model import Catalog, UnitPrimitive
from authz.policy.catalog.versions import Version


class Lack(StrEnum):
    """What a customer would need to be entitled."""

    OPERATOR = "operator"
    OPERATOR_LICENSE_TYPE = "operator_license_type"
    OPERATOR_ADD_ON = "operator_add_on"
    UNIT_PRIMITIVE_OPERATOR = "unit_primitive_operator"
    LICENSE_TYPE = "license_type"
    ADD_ON = "add_on"
    GITLAB_VERSION = "gitlab_version"


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer has: one license type, add-ons, an operator for the feature, and a GitLab version if known."""

    license_type: str
    add_ons: frozenset[str]
    operator: str
    gitlab_version: Version | None


def lacks(unit: UnitPrimitive, customer: Customer, catalog: Catalog, now: datetime) -> tuple[Lack, ...]:
    """Return everything that a customer lacks for a unit primitive at `now` (aware); nothing: it is entitled.

    Both axes of PROV-002 must hold: the operator is allowed, and the unit primitive under that operator. Within a list
    any one entry is enough; an empty list restricts nothing.
    """
    return (*_operator_lacks(customer, catalog), *_unit_primitive_lacks(unit, customer, now))


def entitled_scopes(catalog: Catalog, backend_service: str, customer: Customer, now: datetime) -> tuple[str, ...]:
    """Return exactly the unit primitives of a backend service that a customer is entitled to, by name."""
    return tuple(
        name
        for name, unit in sorted(catalog.unit_primitives.items())
        if backend_service in unit.backend_services and not lacks(unit, customer, catalog, now)
    )


def _operator_lacks(customer: Customer, catalog: Catalog) -> Iterator[Lack]:
    operator = catalog.operators.get(customer.operator)
    if operator is None:
        # A catalog from before PROV-002 describes no operators, so none of them restricts anyone.
        if catalog.operators:
            yield Lack.OPERATOR
        return
    if not _permits(operator.license_types, (customer.license_type,)):
        yield Lack.OPERATOR_LICENSE_TYPE
    if not _permits(operator.add_ons, customer.add_ons):
        yield Lack.OPERATOR_ADD_ON


def _unit_primitive_lacks(unit: UnitPrimitive, customer: Customer, now: datetime) -> Iterator[Lack]:
    if not _permits(unit.operators, (customer.operator,)):
        yield Lack.UNIT_PRIMITIVE_OPERATOR
    if not _permits(unit.license_types, (customer.license_type,)):
        yield Lack.LICENSE_TYPE
    if not unit.is_free(now) and not _permits(unit.add_ons, customer.add_ons):
        yield Lack.ADD_ON
    least = unit.least_version(now)
    if least is not None and (customer.gitlab_version is None or customer.gitlab_version < least):
        yield Lack.GITLAB_VERSION


def _permits(allowed: Collection[str], held: Collection[str]) -> bool:
    """Whether one of those held is allowed; an empty list restricts nothing."""
    return not allowed or any(name in allowed for name in held)
