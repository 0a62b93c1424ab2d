"""The keys of a unit primitive as flags and questions, made from the schema."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import click
from pydantic import TypeAdapter, ValidationError

from authz.cli.options import C, all_of
from authz.policy.catalog.schema import UnitPrimitiveFile

KEYS: Final = tuple(UnitPrimitiveFile.model_fields)
LISTS: Final = ("license_types", "backend_services", "add_ons", "operators", "alias_names")
REQUIRED: Final = ("description", "group", "feature_category", "documentation_url")


class _Field(click.ParamType[str]):
    """The value of one key, or of one entry of a list, as catalog files have it."""

    def __init__(self, key: str) -> None:
        field = UnitPrimitiveFile.model_fields[key]
        self.name = "date" if key == "cut_off_date" else "text"
        self._key = key
        self._adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not text.isprintable():
            self.fail(f"{text!r} should be one line of text", param, ctx)
        if self._key.endswith("_url") and not text.startswith(("https://", "http://")):
            self.fail(f"'{text}' should be a URL, such as https://docs.gitlab.com/", param, ctx)
        try:
            read = self._adapter.validate_python([text] if self._key in LISTS else text)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            self.fail(f"'{text}' {message}", param, ctx)
        return f"{read.isoformat(' ', 'seconds')[:19]} UTC" if isinstance(read, datetime) else text


FIELDS: Final = {key: _Field(key) for key in KEYS}
"""The type of each key's value; for a list, of each entry."""


def flag(key: str) -> str:
    """Return the flag of a key; the flag of a list is repeated for each entry."""
    return "--" + (key.removesuffix("s") if key in LISTS else key).replace("_", "-")


def field_options(keys: Iterable[str]) -> Callable[[C], C]:
    """Return a decorator that adds a flag for each key."""

    def option(key: str) -> Callable[[C], C]:
        text, multiple = UnitPrimitiveFile.model_fields[key].description or "", key in LISTS
        shown = f"{text} Repeatable.".strip() if multiple else text
        return click.option(flag(key), key, type=FIELDS[key], multiple=multiple, help=shown)

    return all_of(*map(option, keys))


def given_values(values: Mapping[str, Any]) -> dict[str, str | list[str]]:  # Any: what the flags hold
    """Return the keys that were given, in the order of the schema."""
    given = {key: values[key] for key in KEYS if values.get(key)}
    return {key: list(dict.fromkeys(value)) if key in LISTS else value for key, value in given.items()}
