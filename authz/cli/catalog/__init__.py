"""`authz catalog`: what exists and who gets it, for people and for programs."""

from __future__ import annotations

import click

from authz.cli.catalog.add import add
from authz.cli.catalog.change import deprecate, remove, update
from authz.cli.catalog.entitlements import entitlements
from authz.cli.catalog.export import export_legacy
from authz.cli.catalog.listing import list_, show
from authz.cli.catalog.schemas import schema

__all__ = ["catalog"]


@click.group()
def catalog() -> None:
    """See and change the catalog of unit primitives."""


for command in (list_, show, add, update, deprecate, remove, entitlements, export_legacy, schema):
    catalog.add_command(command)
