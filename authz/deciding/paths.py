"""The path of a request: refused where two readers could understand it differently, else its decoded segments."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

# Visible ASCII without the separators that servers disagree about, or an escape of a byte that none of them reads
# as a separator, an escape, or a control.
_CHARACTER: Final = r"""(?:[!"$&-.0-:<-\[\]-~]|%(?!2[35Ff]|3[BbFf]|5[Cc]|7[Ff]|[01])[0-9A-Fa-f]{2})"""
_PATH: Final = re.compile(rf"/(?:{_CHARACTER}+(?:/{_CHARACTER}+)*/?)?")
MAX_LENGTH: Final = 2_048
"""Longer than any path that a rule can mean; what is refused unread costs nothing."""

_DOTS: Final = frozenset({".", ".."})


def segments(target: str) -> list[str] | None:
    """Return the decoded segments of a request target's path, or None if the path is ambiguous or too long.

    The query is cut first; a trailing slash leaves an empty last segment. Decoding (RFC 3986, section 2.4) comes after
    everything that could change the number of segments was refused, so all segments are decoded at once.
    """
    path = target.partition("?")[0]
    if len(path) > MAX_LENGTH or _PATH.fullmatch(path) is None:
        return None
    raw = path[1:].split("/")
    if "%" not in path:
        return raw if _DOTS.isdisjoint(raw) else None
    try:
        parts = unquote_to_bytes(path[1:]).decode("utf-8").split("/")
    except UnicodeDecodeError:
        return None
    return parts if _DOTS.isdisjoint(parts) else None
