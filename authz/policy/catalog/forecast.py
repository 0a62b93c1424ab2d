"""Which unit primitives change on a date without an edit of the catalog."""

from datetime import datetime

from authz.policy.catalog.model import Catalog, UnitPrimitive


def paid_by(catalog: Catalog, until: datetime, now: datetime) -> tuple[UnitPrimitive, ...]:
    """Return the unit primitives that are free at `now`, and no longer at `until` (both aware), by date and name."""
    ending = [unit for unit in catalog.unit_primitives.values() if unit.is_free(now) and not unit.is_free(until)]
    return tuple(sorted(ending, key=lambda unit: (unit.cut_off_date or until, unit.name)))


def deprecated(catalog: Catalog) -> tuple[UnitPrimitive, ...]:
    """Return the deprecated unit primitives, by name; the catalog has no date for their removal."""
    return tuple(unit for _, unit in sorted(catalog.unit_primitives.items()) if unit.is_deprecated)
