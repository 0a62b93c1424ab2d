"""`authz catalog list`: all unit primitives, or those that fit some filters."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.catalog.text import FORMAT, json_text, table
from authz.cli.customer import check_known
from authz.cli.options import POLICY
from authz.policy.catalog.model import Catalog, UnitPrimitive
from authz.policy.catalog.schema import moment


class _Moment(click.ParamType[datetime]):
    """A date as catalogs write it."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return moment(value)
        except ValueError as error:
            self.fail(f"'{value}' {error}", param, ctx)


AT: Final = click.option(
    "--at", type=_Moment(), help="Show access at another time than now, such as '2024-10-17 00:00:00 UTC'."
)


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
        click.echo(json_text([unit_data(opened, unit, now) for unit in units]))
    elif units:
        rows = [(unit.name, joined(unit.backend_services), access(unit, now), unit.feature_category) for unit in units]
        click.echo(table([("UNIT PRIMITIVE", "BACKEND SERVICE", "ACCESS", "FEATURE CATEGORY"), *rows]))
    else:
        click.echo("no unit primitive matches", err=True)


def access(unit: UnitPrimitive, now: datetime) -> str:
    """Return whether a unit primitive is free at `now`, and whether it is deprecated, in words."""
    if unit.cut_off_date is None:
        price = "free"
    else:
        price = f"{'free until' if unit.is_free(now) else 'paid since'} {unit.cut_off_date.date()}"
    return f"{price}, deprecated" if unit.is_deprecated else price


def unit_data(opened: OpenCatalog, unit: UnitPrimitive, now: datetime) -> dict[str, Any]:  # Any: JSON
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


def joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
