"""`authz catalog show`: everything about one unit primitive."""

from datetime import UTC, datetime
from pathlib import Path

import click

from authz.cli.catalog.listing import AT, access, joined, unit_data
from authz.cli.catalog.open_catalog import open_catalog
from authz.cli.catalog.text import FORMAT, json_text, table
from authz.cli.catalog.uses import uses
from authz.cli.options import POLICY


@click.command()
@click.argument("name")
@POLICY
@AT
@FORMAT
def show(name: str, policy: Path, at: datetime | None, as_json: bool) -> None:
    """Show one unit primitive: what its file says, and what uses it."""
    opened, now = open_catalog(policy), at or datetime.now(UTC)
    file = opened.unit(name).file
    unit = opened.catalog.unit_primitives[name]
    data, used_by = unit_data(opened, unit, now), uses(opened, name)
    if as_json:
        click.echo(json_text({**data, "file": str(file), "used_by": used_by}))
        return
    shown = {key: joined(value) for key, value in data.items() if not isinstance(value, bool) and value != []}
    shown |= {"access": access(unit, now), "file": str(file)}
    rows = [("used_by" if position == 0 else "", use) for position, use in enumerate(used_by)]
    click.echo(table([*shown.items(), *rows]))
