"""`authz keys`: key pairs and certificates for development."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from authz.cli.options import PACKAGED_POLICY, POLICY
from authz.documents.findings import Findings
from authz.issuing.authority import anchors_file, chain_file, generate_chain
from authz.issuing.key_pairs import generate_pair, private_file, public_file
from authz.model import Issuer, Trust
from authz.policy.catalog.reader import read_catalog
from authz.policy.issuers import read_issuers


@click.group()
def keys() -> None:
    """Make key pairs and certificates for development."""


@keys.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@POLICY
def generate(folder: Path, policy: Path) -> None:
    """Make a key pair for every issuer that has none in DIR. An issuer that trusts chains gets a certificate too.

    Public halves go to DIR/<issuer>.jwks.json and the root of all certificates to DIR/<issuer>.ca.pem, where
    `authz serve --keys DIR` finds them; everything private to DIR/private, which only its owner can read.
    """
    if folder == Path():
        raise click.UsageError("DIR is empty or the current folder: private keys need a folder of their own, name one")
    if folder.resolve().is_relative_to(PACKAGED_POLICY.parent.resolve()):
        raise click.UsageError(f"{folder} is inside the package: private keys never belong there, name another folder")
    findings = Findings()
    issuers = read_issuers(policy / "issuers.yml", read_catalog(policy, findings), findings)
    findings.conclude()
    for issuer in issuers:
        _generate(folder, issuer, private_file(folder, issuer), public_file(folder, issuer), generate_pair)
        if Trust.CERTIFICATE_CHAIN in issuer.trust:
            _generate(folder, issuer, chain_file(folder, issuer), anchors_file(folder, issuer), generate_chain)


def _generate(
    folder: Path, issuer: Issuer, private: Path, public: Path, make: Callable[[Path, Issuer, datetime], None]
) -> None:
    if private.exists() and public.exists():
        click.echo(f"kept {public}", err=True)
        return
    try:
        make(folder, issuer, datetime.now(UTC))
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder}: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"{error}, or name another folder") from None
    click.echo(public)
