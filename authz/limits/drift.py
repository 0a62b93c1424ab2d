"""Drift: whether the rendered files are what the limits say now, and if not, which number differs."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any, Final

from authz.documents.findings import Findings
from authz.documents.reader import Where, dotted, parse
from authz.limits.rendering.files import ORIGIN
from authz.limits.rendering.rendered_file import RenderedFile, written_limits

_REMEDY: Final = "run authz limits render"
_ABSENT: Final = object()
_VERSION: Final = ("version_info",)


def compare(files: Mapping[str, RenderedFile], into: Path, source: PurePath, findings: Findings) -> None:
    """Report every limit that differs from `source` in the files below `into`, and any other difference once a file."""
    for name, rendered in files.items():
        file = into / name
        try:
            raw = file.read_bytes()
        except FileNotFoundError:
            findings.problem(file, 0, f"is missing: {_REMEDY}")
        except OSError as error:
            findings.problem(file, 0, f"cannot be read: {error.strerror}")
        else:
            if raw != rendered.text.encode():
                _report(raw, rendered, file, source, findings)
    for file in leftovers(files, into):
        findings.problem(file, 0, f"is no longer rendered, but may still be read: {_REMEDY}, which removes it")


def leftovers(files: Mapping[str, RenderedFile], into: Path) -> tuple[Path, ...]:
    """Return the files of earlier renderings that are not part of this one."""
    current = {into / name for name in files}
    found = (file for folder in sorted({file.parent for file in current}) for file in sorted(folder.glob("*.yaml")))
    return tuple(file for file in found if file not in current and _was_rendered(file))


def _was_rendered(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.readline().startswith(ORIGIN.encode())
    except OSError:
        return False


def _report(raw: bytes, rendered: RenderedFile, file: Path, source: PurePath, findings: Findings) -> None:
    """Report what differs: the limits, or else the first other part, or else the file's comments and layout."""
    unreadable = Findings()
    here, lines = parse(raw, file, unreadable)
    now, _ = parse(rendered.text.encode(), file, unreadable)
    differences = [(each.line, each.message) for each in unreadable.problems]
    if not differences:
        differences = list(_limits(here, lines, now, rendered, source)) or list(_first(here, lines, now))
    for line, message in differences or [(0, "is not written as it was rendered")]:
        findings.problem(file, line, f"{message}; {_REMEDY}")


def _limits(
    here: object, lines: Mapping[Where, int], now: object, rendered: RenderedFile, source: PurePath
) -> Iterator[tuple[int, str]]:
    written, wanted = written_limits(here), written_limits(now)
    for label, limit in rendered.limits.items():
        found = written.get(label)
        there = f"{limit} in {source.as_posix()}:{limit.line}"
        if found is None:
            yield 0, f"{label}: nothing here, {there}"
        elif found.rate != str(limit):
            yield lines[found.where], f"{label}: {found.rate} here, {there}"
        elif found.content != wanted[label].content:
            yield lines[found.where], f"{label}: counts something else than {there} means"
    for label, found in written.items():
        if label not in rendered.limits:
            yield lines[found.where], f"{label}: {found.rate} here, nothing in {source.as_posix()}"


def _first(here: object, lines: Mapping[Where, int], now: object) -> Iterator[tuple[int, str]]:
    """Yield the first difference. The version differs with every other part, so it comes last."""
    found = sorted(_differences(here, now, ()), key=lambda each: each[0] == _VERSION)
    for where, one, other in found[:1]:
        line = next((lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in lines), 0)
        yield line, f"{dotted(where)}: {_shown(one)} here, {_shown(other)} now"


def _differences(here: Any, now: Any, where: Where) -> Iterator[tuple[Where, object, object]]:  # Any: YAML
    if isinstance(here, dict) and isinstance(now, dict):
        for key in {**here, **now}:
            yield from _differences(here.get(key, _ABSENT), now.get(key, _ABSENT), (*where, key))
    elif isinstance(here, list) and isinstance(now, list):
        for position, (one, other) in enumerate(zip_longest(here, now, fillvalue=_ABSENT)):
            yield from _differences(one, other, (*where, position))
    elif here != now:
        yield where, here, now


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, dict):
        return f"keys {', '.join(value)}"
    return "a list" if isinstance(value, list) else f"'{value}'"
