"""A rendered file: its text, the limits in it, and how they are found again in a file on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from authz.documents.editor import compact
from authz.documents.findings import Findings
from authz.documents.reader import Where, parse
from authz.limits.model import Limit
from authz.limits.rates import Unit
from authz.limits.rendering.descriptors import Data, Entry, Quota, label

_WINDOWS: Final = {f"{unit.seconds}s": unit.value for unit in Unit}
_RATES: Final = ("token_bucket", "rate_limit")
"""The keys under which the embedded and the shared engine have a rate."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is to hold, and the limits among it."""

    data: Data
    quotas: Sequence[Quota]


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """The text of one file, and its limits by label: the words that say whose limit it is, once in each file."""

    text: str
    limits: Mapping[str, Limit]


@dataclass(frozen=True, slots=True)
class WrittenLimit:
    """A limit in a file: where its rate is, the rate in words, and all that an engine reads of it."""

    where: Where
    rate: str
    content: Mapping[str, Any]  # Any: a file on disk may hold anything


def rendered_file(first_line: str, content: Content) -> RenderedFile:
    """Return the file that holds this content; a comment behind each rate says whose it is."""
    text = compact(content.data)
    by_label = {quota.label: quota for quota in content.quotas}
    comments = {written.where: by_label[label].comment for label, written in written_limits(content.data).items()}
    return RenderedFile(
        f"{first_line}\n{annotated(text, comments)}", {label: quota.limit for label, quota in by_label.items()}
    )


def annotated(text: str, comments: Mapping[Where, str]) -> str:
    """Return a document with a comment at the end of the line on which each of these parts begins."""
    lines = text.splitlines()
    _, numbers = parse(text.encode(), Path(), Findings())
    for where, comment in comments.items():
        lines[numbers[where] - 1] += f"   # {comment}"
    return "".join(f"{line}\n" for line in lines)


def written_limits(content: object) -> Mapping[str, WrittenLimit]:
    """Return the limits of a file of either engine by label, whatever else somebody has written into it."""
    return {label(entries): written for entries, written in _walk(content, (), ())}


def _walk(part: object, where: Where, above: tuple[Entry, ...]) -> Iterator[tuple[tuple[Entry, ...], WrittenLimit]]:
    if isinstance(part, list):
        for position, item in enumerate(part):
            yield from _walk(item, (*where, position), above)
    elif isinstance(part, dict):
        # The embedded engine has a descriptor's entries in a list; the service has them one below the other.
        own = part["entries"] if isinstance(part.get("entries"), list) else [part]
        found = (Entry(str(each["key"]), str(each.get("value", ""))) for each in own if _is_entry(each))
        entries = (*above, *found)
        for key in _RATES:
            if isinstance(part.get(key), dict):
                content = {name: value for name, value in part.items() if name != "descriptors"}
                yield entries, WrittenLimit((*where, key), _rate(part[key], part.get("shadow_mode")), content)
        for key, value in part.items():
            yield from _walk(value, (*where, key), entries)


def _is_entry(part: object) -> bool:
    return isinstance(part, dict) and "key" in part


def _rate(rate: Mapping[str, object], shadow: object) -> str:
    """Return a rate of either engine as `limits.yaml` would have it."""
    window = str(rate.get("unit", rate.get("fill_interval")))
    requests = rate.get("requests_per_unit", rate.get("max_tokens"))
    return f"{requests}/{_WINDOWS.get(window, window)}{' in shadow' if shadow else ''}"
