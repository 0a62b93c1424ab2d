"""JSON that can be read in one way only (RFC 8259): no duplicate members, no NaN, no infinity."""

import json
from typing import Any, Final, NoReturn

MAX_BRACKETS: Final = 500
"""Python's parser fails at a depth that differs by version and caller; half of the least makes answers the same."""


def loads(text: str) -> object:
    """Return the value of a JSON text. Raises ValueError for everything else, however deep, large or strange."""
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise ValueError(f"has more than {MAX_BRACKETS} lists and objects")
    try:
        value: object = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: as json.JSONDecoder types its hook
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("has a member twice")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"has {constant}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse)
