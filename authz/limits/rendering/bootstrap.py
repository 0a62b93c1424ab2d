"""The rendered bootstrap: the text of Envoy's bootstrap, comments and all, its marked lines replaced by filters."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from authz.documents.findings import Findings
from authz.limits.rendering.text import Line, indented

_MARKED: Final = re.compile(r"^(?P<space> *)# limits: (?P<name>.*?)\s*$")


class Marker(StrEnum):
    """The places that a bootstrap leaves for limits: a comment line each, `# limits: before authz`."""

    BEFORE_AUTHZ = "before authz"
    BEHIND_AUTHZ = "behind authz"
    ACCESS_LOG = "access log"
    CLUSTERS = "clusters"


def read_bootstrap(file: Path, findings: Findings) -> str:
    """Return the text of a bootstrap that has every marker once; problems go to `findings`."""
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        findings.problem(file, 0, f"cannot be read: {error.strerror}")
        return ""
    except UnicodeDecodeError:
        findings.problem(file, 0, "is not UTF-8")
        return ""
    names, places = [marker.value for marker in Marker], dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        marked = _MARKED.match(line)
        if marked is None:
            continue
        name = marked["name"]
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0)
            findings.problem(file, number, f"'# limits: {name}' marks nothing; did you mean '# limits: {near[0]}'?")
        elif places.setdefault(name, number) != number:
            findings.problem(file, number, f"'# limits: {name}' stands twice, first on line {places[name]}")
    for name in names:
        if name not in places:
            findings.problem(file, 0, f"the line '# limits: {name}' is missing: nothing shows where limits belong")
    return text


def with_slots(text: str, slots: Mapping[Marker, Sequence[Line]]) -> tuple[Line, ...]:
    """Return a bootstrap's lines, each marker replaced by what belongs there, as deep as the marker stood."""
    done: list[Line] = []
    for line in text.splitlines():
        marked = _MARKED.match(line)
        inner = None if marked is None else slots.get(Marker(marked["name"]))
        if marked is None or inner is None:
            done.append(Line(line))
        else:
            done.extend(indented(len(marked["space"]), inner))
    return tuple(done)
