"""The base of every policy file's schema, and the types of values that several schemas share."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz.documents.durations import seconds


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
