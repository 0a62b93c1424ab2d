"""Dates on the command line: the option `--at`, and how a date is printed."""

from datetime import datetime
from typing import Final

import click

from authz.cli.options import Parsed
from authz.documents.schema import moment

AT: Final = click.option(
    "--at", type=Parsed("date", moment), help="Ask about another time than now, such as '2024-10-17 00:00:00 UTC'."
)


def day(date: datetime) -> str:
    """Return a date (aware, UTC) for people: with its time only if that is not midnight."""
    text = date.isoformat(" ", "seconds")[:19]
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else f"{text} UTC"


def timestamp(date: datetime) -> str:
    """Return a date (aware, UTC) for programs."""
    return f"{date.isoformat(timespec='seconds')[:19]}Z"
