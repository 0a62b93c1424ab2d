"""`authz catalog add`, `update`, `deprecate` and `remove`: change one unit primitive, and check the policy first."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from authz.cli.catalog.fields import FIELDS, KEYS, LISTS, REQUIRED, field_options, flag, given_values
from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.options import POLICY
from authz.documents import atomic
from authz.documents.editor import UnchangeableError, changed, dumped
from authz.documents.findings import Findings, Problem
from authz.documents.reader import read_bytes
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import check_references, known_names
from authz.policy.catalog.schema import UnitPrimitiveFile
from authz.policy.rules.reader import read_rules

CLEARABLE: Final = tuple(key for key in KEYS if key not in {"name", *REQUIRED})
REQUIRED_HERE: Final = ("name", *REQUIRED, "backend_services")
"""The keys that are required. The schema allows no backend service, but then no token could grant the result."""
ACCESS_KEYS: Final = (
    "license_types",
    "add_ons",
    "operators",
    "cut_off_date",
    "min_gitlab_version",
    "min_gitlab_version_for_free_access",
)
"""The keys that decide who gets it. They are asked for as soon as a required one is."""


@click.command()
@click.argument("name", type=FIELDS["name"], required=False)
@field_options(key for key in KEYS if key != "name")
@POLICY
def add(policy: Path, **values: Any) -> None:  # Any: click hands over what the options have made
    """Add a unit primitive to the catalog.

    On a terminal, the command asks for what is missing. The new file is checked together with the whole policy before
    it is written.
    """
    opened = open_catalog(policy)
    given = given_values(values)
    for key, value in given.items():
        opened.check_names(key, value)
    missing = [key for key in REQUIRED_HERE if key not in given]
    if missing and not sys.stdin.isatty():
        flags = ", ".join("NAME" if key == "name" else flag(key) for key in missing)
        raise click.UsageError(f"missing: {flags} (on a terminal they would be asked for)")
    for key in (*missing, *ACCESS_KEYS) if missing else ():
        if key not in given:
            given = given_values({**given, key: _ask(key, opened)})
    name = str(given["name"])
    text = f"{opened.heading()}---\n{dumped(given)}"
    _check(opened, name, text)
    file = opened.file(name)
    try:
        file.parent.mkdir(exist_ok=True)
        atomic.create(file, text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(file)


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
    if not sys.stdin.isatty() and not (message and url):
        raise click.UsageError("say why it will be removed, with --message, and where that was decided, with --url")
    message = message or click.prompt("Why it will be removed, and what replaces it", err=True)
    url = url or click.prompt("Where that was decided (URL)", value_proc=_url, err=True)
    _change(opened, name, {"deprecated_by_url": url, "deprecation_message": message})


@click.command()
@click.argument("name")
@POLICY
def remove(name: str, policy: Path) -> None:
    """Remove a unit primitive that nothing uses. One that a rule or a legacy service uses is refused."""
    opened = open_catalog(policy)
    file, used_by = opened.unit(name).file, opened.uses(name)
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
        _check(opened, name, new)
        if new != old:
            atomic.replace(file, new)
    except UnchangeableError:
        raise click.ClickException(f"{file} is not written as one key a line: change it by hand") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(file)


def _url(answer: str) -> str:
    return FIELDS["deprecated_by_url"].convert(answer, None, None)


def _ask(key: str, opened: OpenCatalog) -> str | list[str]:
    """Ask until the answer is valid for a key; an empty answer leaves an optional key out."""

    def read(answer: str) -> str | list[str]:
        parts = [part.strip() for part in answer.split(",")] if key in LISTS else [answer.strip()]
        values = [FIELDS[key].convert(part, None, None) for part in parts if part]
        value = values if key in LISTS else "".join(values)
        if key in REQUIRED_HERE and not value:
            raise click.UsageError("this is required")
        opened.check_names(key, value)
        return value

    choices = opened.choices(key)
    notes = [f"of {', '.join(choices)}"] if choices else []
    notes += ["several with commas between them"] if key in LISTS else []
    notes += [] if key in REQUIRED_HERE else ["empty for none"]
    label = key.replace("_", " ").capitalize()
    answer: str | list[str] = click.prompt(
        f"{label} ({'; '.join(notes)})" if notes else label, default="", show_default=False, value_proc=read, err=True
    )
    return answer


def _check(opened: OpenCatalog, name: str, text: str) -> None:
    """Print the warnings about a new text. Raises ConfigurationError if the text has problems or breaks a rule."""
    findings = Findings()
    document = read_bytes(text.encode("utf-8"), opened.file(name), UnitPrimitiveFile, findings)
    if document is not None:
        check_references(document, known_names(opened.policy), findings)
        units = {**opened.catalog.unit_primitives, name: document.content.built()}
        catalog = replace(opened.catalog, unit_primitives=MappingProxyType(units))
        rules = opened.policy / "rules"
        findings.problems += set(_rule_problems(rules, catalog)) - set(_rule_problems(rules, opened.catalog))
    findings.conclude()
    for warning in findings.warnings:
        click.echo(warning, err=True)


def _rule_problems(rules: Path, catalog: Catalog) -> list[Problem]:
    findings = Findings()
    if rules.is_dir():
        read_rules(rules, catalog, findings)
    return findings.problems
