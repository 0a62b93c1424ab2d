"""`authz limits`: what Envoy and the rate limit service read, made of one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from authz.cli.options import POLICY
from authz.documents.atomic import replace_all
from authz.documents.findings import ConfigurationError, Findings
from authz.limits.drift import compare, leftovers
from authz.limits.model import Limits
from authz.limits.reader import read_limits
from authz.limits.rendering.bootstrap import read_bootstrap
from authz.limits.rendering.files import rendered
from authz.limits.rendering.text import Page
from authz.limits.report import report
from authz.limits.vocabulary import Ground, answers
from authz.policy.catalog.reader import read_catalog
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import read_tiers

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _Rendering:
    """Where everything stands, and what the limits come to."""

    source: Path
    into: Path
    limits: Limits
    pages: Mapping[str, Page]


def _sources(command: Callable[..., None]) -> Callable[..., Any]:  # Any: as click types it
    for decorate in (
        POLICY,
        click.option("--into", type=_FOLDER, default=Path("envoy/rendered"), show_default=True, help="Rendered files."),
        click.option(
            "--bootstrap",
            type=_FILE,
            default=Path("envoy/envoy.yaml"),
            show_default=True,
            help="Envoy's bootstrap, with lines that say where limits belong.",
        ),
        click.option(
            "--limits",
            "source",
            type=_FILE,
            default=Path("envoy/limits.yaml"),
            show_default=True,
            help="The one place for limits.",
        ),
    ):
        command = decorate(command)
    return command


@click.group()
def limits() -> None:
    """Render the limits for Envoy and the rate limit service, and check that this has been done."""


@limits.command()
@_sources
def render(source: Path, bootstrap: Path, into: Path, policy: Path) -> None:
    """Write what both engines read, everything or nothing, and print the files that changed.

    A running Envoy of the embedded engine takes moved files at once; what a changed filter had counted begins anew.
    """
    findings = Findings()
    rendering = _rendering(source, bootstrap, into, policy, findings)
    _warn(findings)
    texts = {into / name: page.text for name, page in rendering.pages.items()}
    try:
        changed = {file: text for file, text in texts.items() if not _holds(file, text)}
        old = leftovers(rendering.pages, into)
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
@_sources
def check(source: Path, bootstrap: Path, into: Path, policy: Path) -> None:
    """Fail if what is rendered is not what the limits say, telling the number; else print what each engine enforces."""
    findings = Findings()
    rendering = _rendering(source, bootstrap, into, policy, findings)
    compare(rendering.pages, into, source, findings)
    findings.conclude()
    _warn(findings)
    for line in report(rendering.limits):
        click.echo(line)


def _rendering(source: Path, bootstrap: Path, into: Path, policy: Path, findings: Findings) -> _Rendering:
    """Read everything. Raises ConfigurationError with every problem."""
    catalog = read_catalog(policy, findings)
    ground = Ground(
        catalog, read_tiers(policy / "tiers.yml", findings), answers(read_rules(policy / "rules", catalog, findings))
    )
    # Limits checked against a broken policy would have problems that are not theirs.
    findings.conclude()
    text = read_bootstrap(bootstrap, findings)
    read = read_limits(source, ground, findings)
    if read is None:
        raise ConfigurationError(findings.problems, findings.warnings)
    findings.conclude()
    return _Rendering(source, into, read, rendered(read, source, text, bootstrap, into))


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def _warn(findings: Findings) -> None:
    for warning in sorted(set(findings.warnings)):
        click.echo(f"{warning} (a warning)", err=True)
