"""The scopes of a customer's token: those of one backend, by name, and nothing else; and what we ship."""

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.policy.catalog.entitlement import Customer, entitled_scopes, lacks
from authz.policy.catalog.model import Operator
from authz.policy.catalog.reader import read_catalog
from authz.policy.catalog.versions import Version
from tests.support.examples import CATALOG, UNIT_PRIMITIVE
from tests.support.repository import PACKAGED_POLICY

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
ANYONE: Final = Customer("free", frozenset(), "our_operator", None)
UNITS: Final = (
    replace(UNIT_PRIMITIVE, name="write"),
    replace(UNIT_PRIMITIVE, name="read", backend_services=("beta", "alpha")),
    replace(UNIT_PRIMITIVE, name="paid", license_types=("ultimate",)),
    replace(UNIT_PRIMITIVE, name="elsewhere", backend_services=("beta",)),
    replace(UNIT_PRIMITIVE, name="nowhere", backend_services=()),
)
FULL: Final = replace(CATALOG, unit_primitives=MappingProxyType({unit.name: unit for unit in UNITS}))


@pytest.mark.parametrize(
    ("backend", "scopes"), [("alpha", ("read", "write")), ("beta", ("elsewhere", "read")), ("gamma", ())]
)
def test_scopes_are_what_one_backend_serves_sorted(backend: str, scopes: tuple[str, ...]) -> None:
    assert entitled_scopes(FULL, backend, ANYONE, NOW) == scopes


def test_an_operator_that_is_refused_refuses_everything() -> None:
    refusing = replace(FULL, operators={"our_operator": Operator("our_operator", ("pro",), ())})
    assert entitled_scopes(refusing, "alpha", ANYONE, NOW) == ()


def shipped(license_type: str, *add_ons: str, operator: str = "gitlab_cloud_operator") -> set[str]:
    """Return what the shipped catalog grants for every backend, to a recent GitLab."""
    findings = Findings()
    catalog = read_catalog(PACKAGED_POLICY, findings)
    customer = Customer(license_type, frozenset(add_ons), operator, Version.parse("99.0"))
    findings.conclude()
    return {name for name, unit in catalog.unit_primitives.items() if not lacks(unit, customer, catalog, NOW)}


def test_free_access_of_the_shipped_catalog_needs_no_add_on() -> None:
    free = shipped("ultimate")
    assert {"include_file_context", "security_scans", "observability_all", "duo_workflow_execute_workflow"} <= free
    assert free.isdisjoint({"complete_code", "duo_chat", "ask_build"})
    assert shipped("free") == set()


def test_each_add_on_of_the_shipped_catalog_grants_more_than_the_one_below() -> None:
    assert (
        shipped("ultimate")
        < shipped("ultimate", "duo_core")
        < shipped("ultimate", "duo_pro")
        < shipped("ultimate", "duo_enterprise")
    )


def test_amazon_q_of_the_shipped_catalog_runs_under_its_own_operator_alone() -> None:
    assert "amazon_q_integration" in shipped("ultimate", "duo_amazon_q", operator="amazon_q_operator")
    assert "amazon_q_integration" not in shipped("ultimate", "duo_amazon_q")
    assert shipped("ultimate", operator="amazon_q_operator") == set()
