"""The path of a request: refused where two readers could understand it differently, else its decoded segments."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["segments"]

# Visible ASCII without the separators that servers disagree about, or an escape of a byte that none of them reads
# as a separator, an escape, or a control.
_CHARACTER: Final = r"""(?:[!"$&-.0-:<-\[\]-~]|%(?!2[35Ff]|3[BbFf]|5[Cc]|7[Ff]|[01])[0-9A-Fa-f]{2})"""
_PATH: Final = re.compile(rf"/(?:{_CHARACTER}+(?:/{_CHARACTER}+)*/?)?")
_DOTS: Final = frozenset({".", ".."})


def segments(target: str) -> list[str] | None:
    """Return the decoded segments of a request target's path, or None if the path is ambiguous.

    The query is cut first; a trailing slash leaves an empty last segment. Each segment is decoded on its own (RFC 3986,
    section 2.4), after everything that could change the number of segments was refused.
    """
    path = target.partition("?")[0]
    if _PATH.fullmatch(path) is None:
        return None
    parts = path[1:].split("/")
    if "%" in path:
        try:
            parts = [unquote_to_bytes(part).decode("utf-8") for part in parts]
        except UnicodeDecodeError:
            return None
    return None if not _DOTS.isdisjoint(parts) else parts
