"""Path templates: the paths of rules, parsed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz.deciding.rules import Span

MAX_SEGMENTS: Final = 64
_LITERAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~!$&'()*+,=:@-]+")
_FREE: Final = re.compile(r"\{([a-z][a-z0-9_]*)(=\*\*)?\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A complete path: literal segments, None for one free segment. With `rest`, one or more segments follow."""

    segments: tuple[str | None, ...]
    rest: bool


def parse_prefix(text: str) -> tuple[str, ...]:
    """Return the literal segments of a prefix. Raises ValueError, which says what to correct."""
    if text == "/":
        return ()
    template, names = parse_template((), text)
    if names:
        raise ValueError("a prefix has literal segments only")
    return tuple(segment for segment in template.segments if segment is not None)


def parse_template(prefix: tuple[str, ...], text: str) -> tuple[Template, Mapping[str, Span]]:
    """Return a path below a prefix, and the segments of each name. Raises ValueError, which says what to correct."""
    steps: list[str | None] = list(prefix)
    spans: dict[str, Span] = {}
    if not text.startswith("/"):
        raise ValueError("a path begins with /")
    if len(prefix) + text.count("/") > MAX_SEGMENTS:
        raise ValueError(f"a path has at most {MAX_SEGMENTS} segments")
    parts = text[1:].split("/")
    for index, part in enumerate(parts):
        free = _FREE.fullmatch(part)
        if free is None:
            steps.append(_literal(part))
            continue
        name, rest = free[1], free[2] is not None
        if name in spans:
            raise ValueError(f"{{{name}}} appears twice")
        if rest:
            if index < len(parts) - 1:
                raise ValueError(f"{{{name}=**}} takes the rest of a path: it must come last")
            spans[name] = (len(steps), None)
            return Template(tuple(steps), rest=True), spans
        spans[name] = (len(steps), len(steps) + 1)
        steps.append(None)
    return Template(tuple(steps), rest=False), spans


def _literal(part: str) -> str:
    if not part:
        raise ValueError("an empty segment (a slash at the end, or two in a row) can never match")
    if "{" in part or "}" in part:
        raise ValueError(f"'{part}' is neither {{name}} nor {{name=**}}, with a lower-case name")
    if part in {"*", "**"}:
        raise ValueError(f"'{part}' is no pattern: {{name}} matches one segment, {{name=**}} all that follow")
    if _LITERAL.fullmatch(part) is None:
        raise ValueError(f"segment '{part}' has a character that no path has: write it decoded, without escapes")
    return part
