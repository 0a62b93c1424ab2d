"""What policy files may hold: the schemas' common ground, and the values that they share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_MAX_DIGITS: Final = 9
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Schema(BaseModel):
    """What a policy file may hold; an unknown key is a problem, and so is an empty one unless null says something."""

    null_says_something: ClassVar[bool] = False
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class OpenSchema(BaseModel):
    """What a file whose schema others evolve may hold; an unknown key is a warning."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


def seconds(value: object) -> float:
    """Return the seconds of a duration such as `5m`. Raises ValueError for anything else."""
    if isinstance(value, str):
        digits = value.rstrip("mshd")
        unit = value[len(digits) :]
        if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS and unit in _UNITS:
            return int(digits) * _UNITS[unit]
    raise ValueError("should be a number and a unit, such as 500ms, 30s, 5m, 1h or 3d")


Duration = Annotated[
    float,
    BeforeValidator(seconds, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{1,9}(ms|s|m|h|d)$")]),
]
"""Seconds, written as a number and a unit."""
