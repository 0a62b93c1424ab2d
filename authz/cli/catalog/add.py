"""`authz catalog add`: adds a unit primitive, described by flags or by answers on a terminal."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.catalog.check import check_text
from authz.cli.catalog.fields import FIELDS, KEYS, LISTS, REQUIRED, field_options, flag, given_values
from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.options import POLICY
from authz.documents.atomic import create
from authz.documents.editor import dumped

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
    for warning in check_text(opened, name, text):
        click.echo(warning, err=True)
    file = opened.file(name)
    try:
        file.parent.mkdir(exist_ok=True)
        create(file, text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(file)


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
