"""What commands print: aligned text for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

FORMAT: Final = click.option(
    "--format",
    "as_json",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    callback=lambda _ctx, _param, value: value == "json",
    help="Text for people, JSON for programs.",
)


def json_text(data: Any) -> str:  # Any: whatever JSON can hold
    """Return data as JSON that people can read too."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def either(names: Iterable[str]) -> str:
    """Join names of which one is enough with 'or'."""
    return " or ".join(names)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns as wide as they need to be, without trailing spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
