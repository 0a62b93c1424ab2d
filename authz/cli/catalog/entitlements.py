"""`authz catalog entitlements`: shows what a customer is entitled to, and what it lacks for the rest."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

import click

from authz.cli.catalog.listing import AT, access
from authz.cli.catalog.open_catalog import open_catalog
from authz.cli.catalog.text import FORMAT, json_text, table
from authz.cli.customer import CustomerFlags, check_known, customer_options
from authz.cli.options import POLICY
from authz.policy.catalog.entitlement import Customer, Lack, lacks
from authz.policy.catalog.model import Catalog, UnitPrimitive


@click.command()
@POLICY
@customer_options
@click.option("--backend-service", "--backend", help="Only what this backend service serves.")
@AT
@FORMAT
def entitlements(
    policy: Path, backend_service: str | None, at: datetime | None, as_json: bool, **customer_flags: Any
) -> None:  # Any: click hands over what the options have made
    """Show what a customer is entitled to, and what it lacks for the rest."""
    catalog, now = open_catalog(policy).catalog, at or datetime.now(UTC)
    customer = CustomerFlags(**customer_flags).customer(catalog)
    if backend_service is not None:
        check_known("backend_services", (backend_service,), catalog.backend_services)
    lacking = {
        name: lacks(unit, customer, catalog, now)
        for name, unit in sorted(catalog.unit_primitives.items())
        if backend_service in {None, *unit.backend_services}
    }
    if as_json:
        granted = [name for name, missing in lacking.items() if not missing]
        rest = {name: list(missing) for name, missing in lacking.items() if missing}
        click.echo(json_text({"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "granted": granted, "lacking": rest}))
        return
    _print(catalog, customer, lacking, now)


def _print(catalog: Catalog, customer: Customer, lacking: dict[str, tuple[Lack, ...]], now: datetime) -> None:
    units = catalog.unit_primitives
    granted = [
        (f"  {name}", ", ".join(units[name].backend_services), access(units[name], now))
        for name, missing in lacking.items()
        if not missing
    ]
    rest = [
        (f"  {name}", "; ".join(_need(lack, units[name], customer, catalog, now) for lack in missing))
        for name, missing in lacking.items()
        if missing
    ]
    for heading, rows in (("granted", granted), ("not granted, because these are missing", rest)):
        if rows:
            click.echo(f"{heading} ({len(rows)})")
            click.echo(table(rows))


def _need(lack: Lack, unit: UnitPrimitive, customer: Customer, catalog: Catalog, now: datetime) -> str:
    """Return what a customer would need in place of a lack."""
    match lack:
        case Lack.OPERATOR:
            return f"operator {_any(sorted(catalog.operators))}"
        case Lack.OPERATOR_LICENSE_TYPE:
            return f"license {_any(catalog.operators[customer.operator].license_types)} for {customer.operator}"
        case Lack.OPERATOR_ADD_ON:
            return f"add-on {_any(catalog.operators[customer.operator].add_ons)} for {customer.operator}"
        case Lack.UNIT_PRIMITIVE_OPERATOR:
            return f"operator {_any(unit.operators)}"
        case Lack.LICENSE_TYPE:
            return f"license {_any(unit.license_types)}"
        case Lack.ADD_ON:
            return f"add-on {_any(unit.add_ons)}"
        case Lack.GITLAB_VERSION:
            return f"GitLab {unit.least_version(now)}"
    assert_never(lack)


def _any(names: Iterable[str]) -> str:
    return " or ".join(names)
