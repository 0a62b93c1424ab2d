"""`authz catalog export` and `export-legacy`: print the whole catalog in a format that GitLab reads."""

import json
from pathlib import Path
from typing import Final

import click

from authz.cli.catalog.open_catalog import open_catalog
from authz.cli.catalog.text import json_text
from authz.cli.options import POLICY
from authz.documents.editor import dumped
from authz.policy.catalog.catalog_json import catalog_json
from authz.policy.catalog.legacy import REALMS, legacy_services

_CATALOG_JSON: Final = "catalog-json"
_LEGACY: Final = {"legacy-yaml": "yaml", "legacy-json": "json"}


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice([_CATALOG_JSON, *_LEGACY]),
    default=_CATALOG_JSON,
    show_default=True,
    help="The JSON catalog that CustomersDot hands to instances, or the services that old GitLab versions read.",
)
@click.option(
    "--realm",
    type=click.Choice(REALMS),
    help="Realm of the GitLab that reads the services; for the legacy formats only.",
)
@POLICY
def export(format_: str, realm: str | None, policy: Path) -> None:
    """Print the whole catalog in a format that GitLab reads.

    The same catalog always gives the same bytes. No format has operators. 'export-legacy' prints the same as the legacy
    formats, and stays for scripts.
    """
    if format_ in _LEGACY:
        if realm is None:
            raise click.UsageError(f"legacy services differ by realm: add --realm {' or --realm '.join(REALMS)}")
        _print_legacy(policy, realm, _LEGACY[format_])
        return
    if realm is not None:
        raise click.UsageError(f"{_CATALOG_JSON} is the same in every realm: leave --realm out")
    files = open_catalog(policy).files
    for document in (*files.units, *files.backend_services, *files.add_ons, *files.license_types):
        for key in document.content.model_extra or ():
            click.echo(
                f"{document.file}:{document.line((key,))}: key '{key}' is not exported: the format has none", err=True
            )
    click.echo(json.dumps(catalog_json(files), indent=2, ensure_ascii=False, sort_keys=True))


@click.command("export-legacy")
@click.option("--realm", type=click.Choice(REALMS), required=True, help="Realm of the GitLab that reads the services.")
@POLICY
@click.option("--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def export_legacy(realm: str, policy: Path, format_: str) -> None:
    """Print the catalog as legacy services. The same catalog always gives the same bytes."""
    _print_legacy(policy, realm, format_)


def _print_legacy(policy: Path, realm: str, syntax: str) -> None:
    services = legacy_services(open_catalog(policy).catalog, realm)
    click.echo(json_text(services) if syntax == "json" else dumped(services), nl=syntax == "json")
