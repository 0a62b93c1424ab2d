"""Decodes the path of a request, and refuses it where two servers could understand it differently."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

# Visible ASCII without the separators that servers disagree about, or an escape of a byte that no server reads as a
# separator, an escape or a control byte.
_CHARACTER: Final = r"""(?:[!"$&-.0-:<-\[\]-~]|%(?!2[35Ff]|3[BbFf]|5[Cc]|7[Ff]|[01])[0-9A-Fa-f]{2})"""
_PATH: Final = re.compile(rf"/(?:{_CHARACTER}+(?:/{_CHARACTER}+)*/?)?")
MAX_LENGTH: Final = 2_048
"""No rule needs a longer path; refusing by length costs nothing."""

_DOTS: Final = frozenset({".", ".."})


def segments(target: str) -> list[str] | None:
    """Return the decoded segments of a request target's path, or None if the path is ambiguous or too long.

    The query is cut first; a trailing slash leaves an empty last segment. All segments are decoded at once (RFC 3986,
    section 2.4): whatever could change their number has been refused before.
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
