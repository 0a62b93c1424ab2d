"""A rendered file: lines of text; one that holds a limit says whose, so that people and `check` find the number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from authz.limits.model import Limit
from authz.limits.rates import Unit

_LABEL: Final = re.compile(r"^(?P<text>[^#]*\S)\s+# (?P<label>[^()]+?)(?: \([^()]*\))?$")
_BUCKET: Final = re.compile(r"max_tokens: (?P<requests>[0-9]+),.*fill_interval: (?P<seconds>[0-9]+)s")
_RATE: Final = re.compile(r"unit: (?P<unit>[a-z]+), requests_per_unit: (?P<requests>[0-9]+)")
_SHADOW: Final = "shadow_mode: true"
_WINDOWS: Final = {str(unit.seconds): unit.value for unit in Unit}


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `label` says whose limit it holds (each once), `limit` what it is, `note` how it came about."""

    text: str
    label: str = ""
    limit: Limit | None = None
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.text}   # {self.label}{note}" if self.label else self.text


@dataclass(frozen=True, slots=True)
class Page:
    """One rendered file."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """What the file holds."""
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def limits(self) -> Mapping[str, tuple[str, Limit]]:
        """The lines that hold a limit, by label."""
        return {line.label: (str(line), line.limit) for line in self.lines if line.limit is not None}


def lines(text: str) -> tuple[Line, ...]:
    """Return a text as lines that hold no limit."""
    return tuple(Line(line) for line in text.splitlines())


def indented(depth: int, inner: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines moved to the right."""
    space = " " * depth
    return tuple(Line(space + line.text if line.text else "", line.label, line.limit, line.note) for line in inner)


def numbered(text: str) -> Mapping[str, tuple[int, str, str]]:
    """Return by label what a rendered file holds, whoever wrote it: the line's number, its text, its rate in words."""
    found: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        labelled = _LABEL.match(line)
        rate = _rate(labelled["text"]) if labelled is not None else ""
        if labelled is not None and rate:
            found[labelled["label"]] = (number, line, rate)
    return found


def _rate(text: str) -> str:
    """Return the rate in a line of either engine, as `limits.yaml` would write it; empty where there is none."""
    bucket, rate = _BUCKET.search(text), _RATE.search(text)
    if bucket is not None:
        seconds = bucket["seconds"]
        said = f"{bucket['requests']}/{_WINDOWS.get(seconds, f'{seconds}s')}"
    elif rate is not None:
        said = f"{rate['requests']}/{rate['unit']}"
    else:
        return ""
    return f"{said} in shadow" if _SHADOW in text else said
