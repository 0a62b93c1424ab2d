"""JSON that can be read in one way only (RFC 8259): no duplicate members, no NaN, no infinity."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["loads"]


def loads(text: str) -> object:
    """Return the value of a JSON text. Raises ValueError for everything else, however deep, large or strange."""
    try:
        value: object = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: as json.JSONDecoder types its hook
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("holds a member twice")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse)
