"""The command line: `authz serve`, `authz catalog`, `authz keys`, `authz limits`, `authz token`."""

import os
import sys
from typing import Any, Final

import click

from authz.cli.lazy import LazyGroup
from authz.documents.findings import ConfigurationError

__all__ = ["main"]

_COMMANDS: Final = {
    "serve": ("authz.cli.serve:serve", "Answer Envoy's checks until SIGTERM."),
    "catalog": ("authz.cli.catalog:catalog", "See and change the catalog of unit primitives."),
    "keys": ("authz.cli.keys:keys", "Make key pairs and certificates for development."),
    "limits": ("authz.cli.limits:limits", "Render limits for Envoy and the rate limit service."),
    "token": ("authz.cli.token:token", "Sign tokens for development."),
}


class _Commands(LazyGroup):
    """Reports a broken configuration as a list of problems, not as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # Any: as click types it
        # Otherwise pydantic reads the metadata of every installed package, to look for plugins of its own.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            for warning in error.warnings:
                click.echo(f"{warning} (a warning)", err=True)
            count = len(error.problems)
            click.echo(f"authz: {count} problem{'s' if count > 1 else ''} to fix", err=True)
            sys.exit(1)


@click.group(cls=_Commands, table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cloud-connector-authz", prog_name="authz")
def main() -> None:
    """Decide who may pass a Cloud Connector's Envoy, and which limits count for them."""
