"""The command line: `authz serve`, `authz catalog`, `authz keys`, `authz limits`, `authz token`."""

from __future__ import annotations

import sys
from typing import Any

import click

from authz.cli.catalog import catalog
from authz.cli.keys import keys
from authz.cli.limits import limits
from authz.cli.serve import serve
from authz.cli.token import token
from authz.documents.findings import ConfigurationError

__all__ = ["main"]


class _Commands(click.Group):
    """Reports a broken configuration as what to mend, not as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # Any: as click types it
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            for warning in error.warnings:
                click.echo(f"{warning} (a warning)", err=True)
            count = len(error.problems)
            click.echo(f"authz: {count} problem{'s' if count > 1 else ''} to mend", err=True)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cloud-connector-authz", prog_name="authz")
def main() -> None:
    """Decide who may pass a Cloud Connector's Envoy, and which limits count for them."""


for command in (serve, catalog, keys, limits, token):
    main.add_command(command)
