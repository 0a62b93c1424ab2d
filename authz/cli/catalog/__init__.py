"""`authz catalog`: shows and changes the catalog."""

from typing import Final

import click

from authz.cli.lazy import LazyGroup

__all__ = ["catalog"]

_COMMANDS: Final = {
    "list": ("authz.cli.catalog.show:list_", "List unit primitives."),
    "show": ("authz.cli.catalog.show:show", "Show one unit primitive and what uses it."),
    "add": ("authz.cli.catalog.change:add", "Add a unit primitive to the catalog."),
    "update": ("authz.cli.catalog.change:update", "Change a unit primitive."),
    "deprecate": ("authz.cli.catalog.change:deprecate", "Mark a unit primitive as deprecated."),
    "remove": ("authz.cli.catalog.change:remove", "Remove a unit primitive that nothing uses."),
    "entitlements": ("authz.cli.catalog.show:entitlements", "Show what a customer is entitled to, and what it lacks."),
    "forecast": ("authz.cli.catalog.forecast:forecast", "Show what changes on which date."),
    "gone": ("authz.cli.catalog.forecast:gone", "List the endpoints that answer 410, or will."),
    "export": ("authz.cli.catalog.export:export", "Print the whole catalog in a format that GitLab reads."),
    "export-legacy": ("authz.cli.catalog.export:export_legacy", "Print the catalog as legacy services."),
    "schema": ("authz.cli.catalog.schemas:schema", "Print the JSON Schema of one kind of file, or of all."),
}


@click.group(cls=LazyGroup, table=_COMMANDS)
def catalog() -> None:
    """See and change the catalog of unit primitives."""
