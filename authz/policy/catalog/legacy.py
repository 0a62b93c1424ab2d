"""The legacy format: services that bundle unit primitives by add-on, as old GitLab versions read them."""

from collections.abc import Sequence
from typing import Any, Final

from authz.policy.catalog.model import Catalog, UnitPrimitive

REALMS: Final = ("gitlab-com", "self-managed")
_IRRELEVANT: Final = "_irrelevant"


def legacy_services(catalog: Catalog, realm: str) -> dict[str, Any]:  # Any: a document, nested as the format wants it
    """Return the document for a realm: its services, and every unit primitive that is no service's name as one.

    What is sorted and what keeps the catalog's order is part of the format: equal catalogs give equal documents.
    """
    units = catalog.unit_primitives
    services = {
        service.name: _service(catalog, [units[name] for name in service.unit_primitives], service.basic_unit_primitive)
        for service in catalog.services.values()
        if service.realms is None or realm in service.realms
    }
    alone = {name: _service(catalog, [unit], name) for name, unit in units.items() if name not in catalog.services}
    return {"services": dict(sorted({**services, **alone}.items()))}


def _service(catalog: Catalog, units: Sequence[UnitPrimitive], basic: str | None) -> dict[str, Any]:
    first = units[0]
    speaking = next((unit for unit in units if unit.name == basic), first)
    backend = catalog.backend_services[first.backend_services[0]].audience if first.backend_services else None
    entries = {
        "backend": backend,
        "cut_off_date": speaking.cut_off_date and f"{speaking.cut_off_date.isoformat(' ', 'seconds')[:19]} UTC",
        "min_gitlab_version": speaking.min_gitlab_version and str(speaking.min_gitlab_version),
        "min_gitlab_version_for_free_access": (
            speaking.min_gitlab_version_for_free_access and str(speaking.min_gitlab_version_for_free_access)
        ),
        "license_types": list(speaking.license_types),
        "bundled_with": _bundles(units),
    }
    return {key: value for key, value in entries.items() if value}


def _bundles(units: Sequence[UnitPrimitive]) -> dict[str, dict[str, list[str]]]:
    bundles: dict[str, dict[str, list[str]]] = {}
    for unit in units:
        for add_on in unit.add_ons or (_IRRELEVANT,):
            bundles.setdefault(add_on, {"unit_primitives": []})["unit_primitives"].append(unit.name)
    return bundles
