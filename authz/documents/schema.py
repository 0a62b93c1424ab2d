"""The base of every policy file's schema, the types of values that several share, and the keys that one allows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz.documents.durations import seconds

_Part = dict[str, Any]  # Any: a JSON Schema, as pydantic writes it


class Schema(BaseModel):
    """Refuses unknown keys, and empty ones unless null has a meaning."""

    null_has_meaning: ClassVar[bool] = False
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class OpenSchema(BaseModel):
    """Allows unknown keys, which the reader warns about: others may add keys to such a file before we know them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


Duration = Annotated[
    float,
    BeforeValidator(seconds, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{1,9}(ms|s|m|h|d)$")]),
]
"""Seconds, written as a number and a unit."""


def moment(value: object) -> datetime:
    """Read a date as YAML has it, or as upstream writes it: `2024-10-17 00:00:00 UTC`. Raises ValueError."""
    try:
        if isinstance(value, str):
            text = value.removesuffix(" UTC")
            read = datetime.fromisoformat(text)
            value = None if read.tzinfo and text != value else read
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("should be a date such as 2024-10-17 00:00:00 UTC")


Moment = Annotated[
    datetime,
    BeforeValidator(moment, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")]),
]
"""A date in UTC, with or without a time."""


def allowed_keys(schema: type[BaseModel], where: tuple[str | int, ...]) -> frozenset[str]:
    """Return the keys that are allowed in the part at `where`; if it may have several forms, the keys of all."""
    described = _described(schema)
    definitions = described.get("$defs", {})
    parts = list(_forms(described, definitions))
    for step in where:
        parts = [form for part in parts for inner in _within(part, step) for form in _forms(inner, definitions)]
    return frozenset(name for part in parts for name in part.get("properties", {}))


@cache
def _described(schema: type[BaseModel]) -> _Part:
    return schema.model_json_schema()


def _forms(part: _Part, definitions: Mapping[str, _Part]) -> Iterator[_Part]:
    """Yield each form that a part may have, with references followed."""
    if "$ref" in part:
        yield from _forms(definitions[part["$ref"].rpartition("/")[2]], definitions)
    for choice in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        yield from _forms(choice, definitions)
    yield part


def _within(part: _Part, step: str | int) -> Iterator[_Part]:
    """Yield the schemas of one key, or of one position of a list."""
    inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
    if inner is None and isinstance(step, str):
        inner = part.get("additionalProperties")
    if isinstance(inner, dict):
        yield inner
