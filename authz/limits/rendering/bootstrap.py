"""The rendered bootstrap: the text of Envoy's bootstrap with its comments, its marked lines replaced by filters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from textwrap import indent
from typing import Final

from authz.documents.editor import compact
from authz.documents.findings import Findings
from authz.documents.hints import nearest
from authz.documents.reader import Where
from authz.limits.rendering.descriptors import Data
from authz.limits.rendering.rendered_file import annotated

_PURPOSES: Final = {
    "limits_headers": "leaves one set of x-ratelimit-* headers, that of the limit that refused",
    "limits_headers_of_users": "an answer that no limit refused shows what is left to its user, and nothing else",
    "ratelimit": "the rate limit service; limits.yaml says where it is and what follows without an answer",
}
"""What a reader of the rendered bootstrap cannot see from the parts of these names."""
_MARKED: Final = re.compile(r"^(?P<space> *)# limits: (?P<name>.*?)\s*$")


class Marker(StrEnum):
    """The lines that a bootstrap leaves for what is rendered: a comment line each, `# limits: before authz`."""

    HEADERS = "headers for authz"
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
    names, lines = [marker.value for marker in Marker], dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        marked = _MARKED.match(line)
        if marked is None:
            continue
        name = marked["name"]
        if name not in names:
            near = nearest(name, names, cutoff=0)
            findings.problem(file, number, f"'# limits: {name}' is not a known mark; did you mean '# limits: {near}'?")
        elif lines.setdefault(name, number) != number:
            findings.problem(file, number, f"'# limits: {name}' is here twice, first on line {lines[name]}")
    for name in names:
        if name not in lines:
            findings.problem(file, 0, f"the line '# limits: {name}' is missing: it marks where the limits go")
    return text


def with_sections(text: str, sections: Mapping[Marker, Sequence[Data] | Data]) -> str:
    """Return a bootstrap with each marker replaced by its section, as deep as the marker is; without one it goes."""
    return "".join(_replaced(line, sections) for line in text.splitlines())


def header_patterns(names: Iterable[str]) -> list[Data]:
    """Return the section of the headers that Envoy sends to authz."""
    return [{"exact": name, "ignore_case": True} for name in names]


def _replaced(line: str, sections: Mapping[Marker, Sequence[Data] | Data]) -> str:
    marked = _MARKED.match(line)
    if marked is None:
        return f"{line}\n"
    section = sections.get(Marker(marked["name"]), [])
    if not section:
        return ""
    named = enumerate(section) if isinstance(section, Sequence) else ()
    comments: dict[Where, str] = {
        (position, "name"): _PURPOSES[part["name"]] for position, part in named if part.get("name") in _PURPOSES
    }
    return indent(annotated(compact(section), comments), marked["space"])
