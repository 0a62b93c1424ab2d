"""Durations as files and flags write them: a number and a unit, such as `5m`."""

from typing import Final

_MAX_DIGITS: Final = 9
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> float:
    """Return the seconds of a duration such as `5m`. Raises ValueError for anything else."""
    if isinstance(value, str):
        digits = value.rstrip("mshd")
        unit = value[len(digits) :]
        if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS and unit in _UNITS:
            return int(digits) * _UNITS[unit]
    raise ValueError("should be a number and a unit, such as 500ms, 30s, 5m, 1h or 3d")
