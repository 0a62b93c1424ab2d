"""`authz catalog export-legacy`: the catalog in the format that old GitLab versions read."""

from pathlib import Path

import click

from authz.cli.catalog.open_catalog import open_catalog
from authz.cli.catalog.text import json_text
from authz.cli.options import POLICY
from authz.documents.editor import dumped
from authz.policy.catalog.legacy import REALMS, legacy_services


@click.command("export-legacy")
@click.option("--realm", type=click.Choice(REALMS), required=True, help="Which GitLab reads it: services differ.")
@POLICY
@click.option("--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def export_legacy(realm: str, policy: Path, format_: str) -> None:
    """Print the catalog as legacy services. Equal catalogs give equal bytes."""
    services = legacy_services(open_catalog(policy).catalog, realm)
    click.echo(json_text(services) if format_ == "json" else dumped(services), nl=format_ == "json")
