"""`authz catalog list`, `show` and `entitlements`: print the catalog, or what follows from it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

import click

from authz.cli.catalog.dates import AT
from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.catalog.text import FORMAT, either, json_text, table
from authz.cli.customer import CustomerFlags, check_known, customer_options
from authz.cli.options import POLICY
from authz.policy.catalog.entitlement import Customer, Lack, lacks
from authz.policy.catalog.model import Catalog, UnitPrimitive


@click.command("list")
@POLICY
@click.option("--add-on", "add_ons", help="Only what lists this add-on.")
@click.option("--license-type", "license_types", help="Only what lists this license type.")
@click.option("--backend-service", "--backend", "backend_services", help="Only what this backend service serves.")
@click.option("--operator", "operators", help="Only what lists this operator.")
@click.option("--feature-category", help="Only what belongs to this category.")
@click.option("--deprecated", is_flag=True, help="Only what is deprecated.")
@click.option("--free", is_flag=True, help="Only what needs no add-on.")
@AT
@FORMAT
def list_(
    policy: Path,
    feature_category: str | None,
    deprecated: bool,
    free: bool,
    at: datetime | None,
    as_json: bool,
    **listed: str | None,
) -> None:
    """List unit primitives. Several filters narrow the list together."""
    opened, now = open_catalog(policy), at or datetime.now(UTC)
    _check_filters(opened.catalog, feature_category, listed)
    units = [
        unit
        for _, unit in sorted(opened.catalog.unit_primitives.items())
        if all(name in (None, *getattr(unit, key)) for key, name in listed.items())
        and feature_category in {None, unit.feature_category}
        and (unit.is_deprecated or not deprecated)
        and (unit.is_free(now) or not free)
    ]
    if as_json:
        click.echo(json_text([_unit_data(opened, unit, now) for unit in units]))
    elif units:
        rows = [
            (unit.name, _joined(unit.backend_services), _access(unit, now), unit.feature_category) for unit in units
        ]
        click.echo(table([("UNIT PRIMITIVE", "BACKEND SERVICE", "ACCESS", "FEATURE CATEGORY"), *rows]))
    else:
        click.echo("no unit primitive matches", err=True)


@click.command()
@click.argument("name")
@POLICY
@AT
@FORMAT
def show(name: str, policy: Path, at: datetime | None, as_json: bool) -> None:
    """Show one unit primitive and what uses it."""
    opened, now = open_catalog(policy), at or datetime.now(UTC)
    file = opened.unit(name).file
    unit = opened.catalog.unit_primitives[name]
    data, used_by = _unit_data(opened, unit, now), opened.uses(name)
    if as_json:
        click.echo(json_text({**data, "file": str(file), "used_by": used_by}))
        return
    shown = {key: _joined(value) for key, value in data.items() if not isinstance(value, bool) and value != []}
    shown |= {"access": _access(unit, now), "file": str(file)}
    rows = [("used_by" if position == 0 else "", use) for position, use in enumerate(used_by)]
    click.echo(table([*shown.items(), *rows]))


@click.command()
@POLICY
@customer_options
@click.option("--backend-service", "--backend", help="Only what this backend service serves.")
@AT
@FORMAT
def entitlements(
    policy: Path, backend_service: str | None, at: datetime | None, as_json: bool, **customer_flags: Any
) -> None:  # Any: click hands over what the options have made
    """Show what a customer is entitled to, and what it lacks."""
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


def _access(unit: UnitPrimitive, now: datetime) -> str:
    """Return whether a unit primitive is free at `now`, and whether it is deprecated, in words."""
    if unit.cut_off_date is None:
        price = "free"
    else:
        price = f"{'free until' if unit.is_free(now) else 'paid since'} {unit.cut_off_date.date()}"
    return f"{price}, deprecated" if unit.is_deprecated else price


def _unit_data(opened: OpenCatalog, unit: UnitPrimitive, now: datetime) -> dict[str, Any]:  # Any: JSON
    """Return the keys of a unit primitive's file, unknown ones too, and whether it is free and deprecated."""
    content = opened.unit(unit.name).content.model_dump(mode="json", exclude_none=True)
    return {**content, "free": unit.is_free(now), "deprecated": unit.is_deprecated}


def _check_filters(catalog: Catalog, feature_category: str | None, listed: dict[str, str | None]) -> None:
    units = catalog.unit_primitives.values()
    for key, name in listed.items():
        known = {*getattr(catalog, key), *(each for unit in units for each in getattr(unit, key))}
        check_known(key, () if name is None else (name,), known)
    categories = {unit.feature_category for unit in units}
    check_known("feature_category", () if feature_category is None else (feature_category,), categories)


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _print(catalog: Catalog, customer: Customer, lacking: dict[str, tuple[Lack, ...]], now: datetime) -> None:
    units = catalog.unit_primitives
    granted = [
        (f"  {name}", ", ".join(units[name].backend_services), _access(units[name], now))
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
            return f"operator {either(sorted(catalog.operators))}"
        case Lack.OPERATOR_LICENSE_TYPE:
            return f"license {either(catalog.operators[customer.operator].license_types)} for {customer.operator}"
        case Lack.OPERATOR_ADD_ON:
            return f"add-on {either(catalog.operators[customer.operator].add_ons)} for {customer.operator}"
        case Lack.UNIT_PRIMITIVE_OPERATOR:
            return f"operator {either(unit.operators)}"
        case Lack.LICENSE_TYPE:
            return f"license {either(unit.license_types)}"
        case Lack.ADD_ON:
            return f"add-on {either(unit.add_ons)}"
        case Lack.GITLAB_VERSION:
            return f"GitLab {unit.least_version(now)}"
    assert_never(lack)
