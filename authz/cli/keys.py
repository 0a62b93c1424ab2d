"""`authz keys`: key pairs for development."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from authz.catalog_files import read_catalog
from authz.cli.options import PACKAGED_POLICY, POLICY
from authz.errors import Findings
from authz.issuers import read_issuers
from authz.keys.pairs import generate_pair, private_file, public_file

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Make key pairs for development."""


@keys.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@POLICY
def generate(folder: Path, policy: Path) -> None:
    """Make a key pair for every issuer that has none in DIR yet.

    Public halves go to DIR/<issuer>.jwks.json, where `authz serve --keys DIR` finds them; private halves to
    DIR/private/<issuer>.pem, readable for their owner only.
    """
    if folder.resolve().is_relative_to(PACKAGED_POLICY.parent.resolve()):
        raise click.UsageError(f"{folder} is inside the package: private keys never belong there, name another folder")
    findings = Findings()
    issuers = read_issuers(policy / "issuers.yml", read_catalog(policy, findings), findings)
    findings.conclude()
    for issuer in issuers:
        file = public_file(folder, issuer)
        if private_file(folder, issuer).exists() and file.exists():
            click.echo(f"kept {file}", err=True)
            continue
        try:
            generate_pair(folder, issuer, datetime.now(UTC))
        except OSError as error:
            raise click.ClickException(f"{error.filename or folder}: {error.strerror}") from None
        click.echo(file)
