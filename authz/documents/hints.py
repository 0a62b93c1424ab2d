"""Suggestions for misspelt names: the one "did you mean" of all files and commands."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like this one; None if none is. A higher `cutoff`, up to 1, is stricter."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `; did you mean '...'?` as the end of a message, or nothing if no known name is near."""
    near = nearest(name, known, cutoff)
    return "" if near is None else f"; did you mean '{near}'?"
