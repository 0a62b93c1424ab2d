"""`authz limits`: renders one file of limits for Envoy and the rate limit service, and checks that it was done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from authz.cli.options import POLICY, all_of
from authz.deciding.facts import READ_HEADERS
from authz.documents.atomic import replace_all
from authz.documents.findings import ConfigurationError, Findings
from authz.limits.drift import compare, leftovers
from authz.limits.model import Limits
from authz.limits.reader import read_limits
from authz.limits.rendering.bootstrap import read_bootstrap
from authz.limits.rendering.files import rendered
from authz.limits.rendering.rendered_file import RenderedFile
from authz.limits.report import report
from authz.limits.vocabulary import Vocabulary, answers
from authz.policy.catalog.reader import read_catalog
from authz.policy.issuers import read_issuers
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import read_tiers

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_SOURCES: Final = all_of(
    click.option(
        "--limits",
        "source",
        type=_FILE,
        default=Path("envoy/limits.yaml"),
        help="The file that all limits are written in.",
    ),
    click.option(
        "--bootstrap",
        type=_FILE,
        default=Path("envoy/envoy.yaml"),
        help="Envoy's bootstrap, with lines that mark where limits belong.",
    ),
    click.option(
        "--into",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("envoy/rendered"),
        help="The folder of rendered files.",
    ),
    POLICY,
)


@click.group(context_settings={"show_default": True})
def limits() -> None:
    """Render limits for Envoy and the rate limit service. Check that this has been done."""


@limits.command()
@_SOURCES
def render(source: Path, bootstrap: Path, into: Path, policy: Path) -> None:
    """Write what both engines read. Write all of it or nothing, and print the files that changed.

    A running Envoy of the embedded engine loads moved files at once. A changed filter starts again with full buckets.
    """
    findings = Findings()
    _, files = _rendering(source, bootstrap, into, policy, findings)
    _warn(findings)
    texts = {into / name: file.text for name, file in files.items()}
    try:
        changed = {file: text for file, text in texts.items() if not _holds(file, text)}
        old = leftovers(files, into)
        replace_all(changed)
        for file in old:
            file.unlink()
    except OSError as error:
        raise click.ClickException(f"{error.filename or into}: {error.strerror}; nothing was rendered") from None
    for file in changed:
        click.echo(file)
    for file in old:
        click.echo(f"{file} (removed)")


@limits.command()
@_SOURCES
def check(source: Path, bootstrap: Path, into: Path, policy: Path) -> None:
    """Fail if the rendered files differ from the limits. Name the numbers that differ, or print what is enforced."""
    findings = Findings()
    read, files = _rendering(source, bootstrap, into, policy, findings)
    compare(files, into, source, findings)
    findings.conclude()
    _warn(findings)
    for line in report(read):
        click.echo(line)


def _rendering(
    source: Path, bootstrap: Path, into: Path, policy: Path, findings: Findings
) -> tuple[Limits, Mapping[str, RenderedFile]]:
    """Return the limits, and the files that they are rendered to. Raises ConfigurationError with every problem."""
    catalog = read_catalog(policy, findings)
    rules = read_rules(policy / "rules", catalog, findings)
    bound = {each.header for issuer in read_issuers(policy / "issuers.yml", catalog, findings) for each in issuer.bind}
    vocabulary = Vocabulary(catalog, read_tiers(policy / "tiers.yml", findings), answers(rules))
    # Limits checked against a broken policy would have problems that are not theirs.
    findings.conclude()
    text = read_bootstrap(bootstrap, findings)
    read = read_limits(source, vocabulary, findings)
    if read is None:
        raise ConfigurationError(findings.problems, findings.warnings)
    findings.conclude()
    headers = (*READ_HEADERS, *sorted((rules.headers | bound).difference(READ_HEADERS)))
    return read, rendered(read, headers, source, text, bootstrap, into)


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def _warn(findings: Findings) -> None:
    for warning in sorted(set(findings.warnings)):
        click.echo(f"{warning} (a warning)", err=True)
