"""The legacy format, to the byte, and its rules one by one."""

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import pytest

from authz.documents.editor import dumped
from authz.documents.findings import Findings
from authz.policy.catalog.legacy import REALMS, legacy_services
from authz.policy.catalog.model import Catalog, Service
from authz.policy.catalog.reader import read_catalog
from authz.policy.catalog.versions import Version
from tests.support.examples import BACKEND, OTHER_BACKEND, UNIT_PRIMITIVE
from tests.support.repository import UPSTREAM

DATED: Final = replace(
    UNIT_PRIMITIVE,
    name="dated",
    cut_off_date=datetime(2024, 2, 15, tzinfo=UTC),
    min_gitlab_version=Version.parse("17.10"),
    min_gitlab_version_for_free_access=Version.parse("16.8"),
    license_types=("premium",),
    add_ons=("pro", "plus"),
)
ELSEWHERE: Final = replace(UNIT_PRIMITIVE, name="elsewhere", backend_services=("beta", "alpha"), add_ons=("plus",))
SERVICE: Final = Service("both", "dated", ("gitlab-com",), ("read", "elsewhere", "dated"))


def catalog(*services: Service) -> Catalog:
    return Catalog(
        unit_primitives=MappingProxyType({unit.name: unit for unit in (UNIT_PRIMITIVE, ELSEWHERE, DATED)}),
        backend_services=MappingProxyType({"alpha": BACKEND, "beta": OTHER_BACKEND}),
        services=MappingProxyType({service.name: service for service in services}),
    )


def exported(*services: Service, realm: str = "gitlab-com") -> dict[str, Any]:
    exported: dict[str, Any] = legacy_services(catalog(*services), realm)["services"]
    return exported


@pytest.mark.parametrize("realm", REALMS)
def test_the_export_of_an_upstream_catalog_is_the_golden_file_to_the_byte(realm: str) -> None:
    findings = Findings()
    services = legacy_services(read_catalog(UPSTREAM, findings), realm)
    findings.conclude()
    assert dumped(services).encode() == (UPSTREAM / f"legacy-{realm}.yml").read_bytes()


def test_a_service_speaks_by_its_basic_unit_primitive_and_has_the_firsts_backend() -> None:
    assert exported(replace(SERVICE, unit_primitives=("elsewhere", "dated", "read")))["both"] == {
        "backend": "aud-beta",
        "cut_off_date": "2024-02-15 00:00:00 UTC",
        "min_gitlab_version": "17.10",
        "min_gitlab_version_for_free_access": "16.8",
        "license_types": ["premium"],
        "bundled_with": {
            "plus": {"unit_primitives": ["elsewhere", "dated"]},
            "pro": {"unit_primitives": ["dated"]},
            "_irrelevant": {"unit_primitives": ["read"]},
        },
    }


@pytest.mark.parametrize("basic", [None, "elsewhere"], ids=["none", "one that it does not list"])
def test_without_a_basic_unit_primitive_the_first_speaks(basic: str | None) -> None:
    service = replace(SERVICE, basic_unit_primitive=basic, unit_primitives=("dated", "read"))
    assert exported(service)["both"]["cut_off_date"] == "2024-02-15 00:00:00 UTC"
    assert "cut_off_date" not in exported(replace(service, unit_primitives=("read", "dated")))["both"]


def test_what_is_empty_is_left_out() -> None:
    assert exported()["read"] == {
        "backend": "aud-alpha",
        "bundled_with": {"_irrelevant": {"unit_primitives": ["read"]}},
    }


def test_a_unit_primitive_without_a_backend_service_has_no_backend() -> None:
    unserved = replace(UNIT_PRIMITIVE, backend_services=())
    alone = replace(catalog(), unit_primitives=MappingProxyType({"read": unserved}))
    assert "backend" not in legacy_services(alone, "gitlab-com")["services"]["read"]


def test_services_and_unit_primitives_are_sorted_together() -> None:
    assert list(exported(SERVICE)) == ["both", "dated", "elsewhere", "read"]


def test_a_service_takes_the_place_of_the_unit_primitive_of_its_name() -> None:
    assert exported(replace(SERVICE, name="read"))["read"]["bundled_with"].keys() == {"_irrelevant", "plus", "pro"}


@pytest.mark.parametrize(
    ("realms", "offered"),
    [(None, {"gitlab-com", "self-managed"}), ((), set()), (("self-managed",), {"self-managed"}), (REALMS, set(REALMS))],
)
def test_a_service_is_offered_in_its_realms_alone(realms: tuple[str, ...] | None, offered: set[str]) -> None:
    assert {realm for realm in REALMS if "both" in exported(replace(SERVICE, realms=realms), realm=realm)} == offered


def test_a_service_that_is_not_offered_is_not_replaced_by_its_namesake() -> None:
    assert "read" not in exported(replace(SERVICE, name="read"), realm="self-managed")
