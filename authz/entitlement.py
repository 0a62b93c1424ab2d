"""Entitlement: which unit primitives a customer gets, and what is missing for the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from authz.catalog import Catalog, Operator, UnitPrimitive
    from authz.versions import Version

__all__ = ["Customer", "Lack", "entitled_scopes", "lack"]


class Lack(StrEnum):
    """What a customer would need to be entitled."""

    OPERATOR = "operator"
    OPERATOR_ADD_ON = "operator_add_on"
    OPERATOR_LICENSE_TYPE = "operator_license_type"
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


def lack(unit: UnitPrimitive, customer: Customer, catalog: Catalog, now: datetime) -> Lack | None:
    """Return what a customer lacks for a unit primitive at `now` (aware), or None: it is entitled.

    Both axes of PROV-002 must hold: the operator is allowed, and the unit primitive under that operator.
    """
    if catalog.operators:
        operator = catalog.operators.get(customer.operator)
        if operator is None:
            return Lack.OPERATOR
        refused = _operator_lack(operator, customer)
        if refused is not None:
            return refused
        if not _permits(unit.operators, (customer.operator,)):
            return Lack.UNIT_PRIMITIVE_OPERATOR
    if not _permits(unit.license_types, (customer.license_type,)):
        return Lack.LICENSE_TYPE
    is_free = unit.cut_off_date is None or now < unit.cut_off_date
    if not is_free and not _permits(unit.add_ons, customer.add_ons):
        return Lack.ADD_ON
    least = unit.min_gitlab_version_for_free_access if is_free else unit.min_gitlab_version
    if least is not None and (customer.gitlab_version is None or customer.gitlab_version < least):
        return Lack.GITLAB_VERSION
    return None


def entitled_scopes(catalog: Catalog, backend_service: str, customer: Customer, now: datetime) -> tuple[str, ...]:
    """Return exactly the unit primitives of a backend service that a customer is entitled to, by name."""
    return tuple(
        name
        for name, unit in sorted(catalog.unit_primitives.items())
        if backend_service in unit.backend_services and lack(unit, customer, catalog, now) is None
    )


def _operator_lack(operator: Operator, customer: Customer) -> Lack | None:
    if not _permits(operator.license_types, (customer.license_type,)):
        return Lack.OPERATOR_LICENSE_TYPE
    return None if _permits(operator.add_ons, customer.add_ons) else Lack.OPERATOR_ADD_ON


def _permits(allowed: Collection[str], held: Collection[str]) -> bool:
    """Whether one of those held is allowed; an empty list restricts nothing."""
    return not allowed or any(name in allowed for name in held)
