"""`authz catalog update`, `deprecate` and `remove`: change one unit primitive and keep the rest of its file."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.catalog.check import check_text
from authz.cli.catalog.fields import FIELDS, KEYS, REQUIRED, field_options, given_values
from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.catalog.uses import uses
from authz.cli.options import POLICY
from authz.documents.atomic import replace
from authz.documents.editor import UnchangeableError, changed

CLEARABLE: Final = tuple(key for key in KEYS if key not in {"name", *REQUIRED})


@click.command()
@click.argument("name")
@field_options(key for key in KEYS if key != "name")
@click.option("--clear", multiple=True, type=click.Choice(CLEARABLE), metavar="KEY", help="Remove a key; repeatable.")
@POLICY
def update(name: str, policy: Path, clear: tuple[str, ...], **values: Any) -> None:  # Any: as the options make it
    """Change a unit primitive.

    A list's flag, once or more, replaces the whole list. Comments, order and all other lines of the file stay.
    """
    given = given_values(values)
    both = [key for key in clear if key in given]
    if both:
        raise click.UsageError(f"{both[0]} is both given and cleared")
    changes = {**given, **dict.fromkeys(clear)}
    if not changes:
        raise click.UsageError("say what to change; 'authz catalog update --help' lists the flags")
    _change(open_catalog(policy), name, changes)


@click.command()
@click.argument("name")
@click.option("--message", type=FIELDS["deprecation_message"], help="Why it will be removed, and what replaces it.")
@click.option("--url", type=FIELDS["deprecated_by_url"], help="Where that was decided.")
@POLICY
def deprecate(name: str, policy: Path, message: str | None, url: str | None) -> None:
    """Mark a unit primitive as deprecated. Tokens and rules keep working."""
    opened = open_catalog(policy)
    opened.unit(name)
    asks = sys.stdin.isatty()
    if not asks and not (message and url):
        raise click.UsageError("say why it will be removed, with --message, and where that was decided, with --url")
    message = message or click.prompt("Why it will be removed, and what replaces it", err=True)
    url = url or click.prompt("Where that was decided (URL)", value_proc=_url, err=True)
    _change(opened, name, {"deprecated_by_url": url, "deprecation_message": message})


@click.command()
@click.argument("name")
@POLICY
def remove(name: str, policy: Path) -> None:
    """Remove a unit primitive that no rule and no legacy service uses."""
    opened = open_catalog(policy)
    file, used_by = opened.unit(name).file, uses(opened, name)
    if used_by:
        raise click.ClickException("\n".join([f"'{name}' is in use; remove it from these places first:", *used_by]))
    try:
        file.unlink()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    if not opened.catalog.unit_primitives[name].is_deprecated:
        click.echo(f"'{name}' was not deprecated before: tell its users", err=True)
    click.echo(f"removed {file}")


def _change(opened: OpenCatalog, name: str, changes: Mapping[str, str | list[str] | None]) -> None:
    file = opened.unit(name).file
    for key, value in changes.items():
        opened.check_names(key, value or ())
    try:
        old = file.read_bytes().decode("utf-8")
        new = changed(old, changes, KEYS)
        for warning in check_text(opened, name, new):
            click.echo(warning, err=True)
        if new != old:
            replace(file, new)
    except UnchangeableError:
        raise click.ClickException(f"{file} is not written as one key a line: change it by hand") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(file)


def _url(answer: str) -> str:
    return FIELDS["deprecated_by_url"].convert(answer, None, None)
