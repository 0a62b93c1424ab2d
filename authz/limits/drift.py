"""The comparison: is what was rendered what the limits say now, and if not, which number differs?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Final

from authz.documents.findings import Findings
from authz.limits.model import Limit
from authz.limits.rendering.text import Page, numbered

ORIGIN: Final = "# rendered from "
_VERSION: Final = "version_info: "
_MEND: Final = "run authz limits render"


def compare(pages: Mapping[str, Page], into: Path, source: PurePath, findings: Findings) -> None:
    """Report every limit that differs from `source` in the files below `into`, and any other difference once a file."""
    for name, page in pages.items():
        file = into / name
        try:
            text = file.read_bytes().decode("utf-8", errors="replace")
        except FileNotFoundError:
            findings.problem(file, 0, f"is missing: {_MEND}")
            continue
        except OSError as error:
            findings.problem(file, 0, f"cannot be read: {error.strerror}")
            continue
        if text != page.text and not _report_limits(page, text, file, source, findings):
            _report_rest(page, text, file, findings)
    for file in leftovers(pages, into):
        findings.problem(file, 0, f"is no longer rendered, but may still be read: {_MEND}, which removes it")


def leftovers(pages: Mapping[str, Page], into: Path) -> tuple[Path, ...]:
    """Return the files of earlier renderings that have no place in this one."""
    folders = sorted({(into / name).parent for name in pages})
    files = (file for folder in folders for file in sorted(folder.glob("*.yaml")))
    kept = {into / name for name in pages}
    return tuple(file for file in files if file not in kept and _was_rendered(file))


def _was_rendered(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.readline().startswith(ORIGIN.encode())
    except OSError:
        return False


def _report_limits(page: Page, text: str, file: Path, source: PurePath, findings: Findings) -> bool:
    """Report the limits that differ; False where none does."""
    here, meant = numbered(text), page.limits
    before = len(findings.problems)
    for label, (line, limit) in meant.items():
        number, found, rate = here.get(label, (0, "", "nothing"))
        there = f"{_said(limit)} in {source.as_posix()}:{limit.line}"
        if rate != _said(limit):
            findings.problem(file, number, f"{label}: {rate} here, {there}; {_MEND}")
        elif found != line:
            findings.problem(file, number, f"{label}: counts something else than {there} means; {_MEND}")
    for label, (number, _, rate) in here.items():
        if label not in meant:
            findings.problem(file, number, f"{label}: {rate} here, nothing in {source.as_posix()}; {_MEND}")
    return len(findings.problems) > before


def _said(limit: Limit) -> str:
    return f"{limit.rate} in shadow" if limit.shadow else str(limit.rate)


def _report_rest(page: Page, text: str, file: Path, findings: Findings) -> None:
    """Report the first line that differs. The version differs with every other line, so it comes last."""
    differences = sorted(_differences(page, text), key=lambda each: each[1].startswith(_VERSION))
    if not differences:  # no more than an end of line
        findings.problem(file, 0, f"is not as it was written: {_MEND}")
        return
    number, line, meant = differences[0]
    shown = f"'{line.strip()}' here" if line.strip() else "nothing here"
    wanted = f"'{meant.strip()}'" if meant.strip() else "no such line"
    findings.problem(file, number, f"{shown}, {wanted} now; {_MEND}")


def _differences(page: Page, text: str) -> Iterator[tuple[int, str, str]]:
    pairs = zip_longest(text.splitlines(), page.lines, fillvalue=None)
    for number, (line, meant) in enumerate(pairs, start=1):
        shown = "" if line is None else str(line)
        wanted = "" if meant is None else str(meant)
        if shown != wanted or line is None or meant is None:
            yield number, shown, wanted
