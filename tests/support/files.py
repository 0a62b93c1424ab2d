"""Files that a test writes, and what reading them finds, as short texts that name file and line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

from authz.documents.findings import Problem


def write(file: Path, text: str) -> Path:
    """Write a file, and the folders it needs; common indentation and a first line break are left out."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text.removeprefix("\n")), encoding="utf-8")
    return file


def shown(problems: Iterable[Problem]) -> list[str]:
    """Return what a reader is told, with the file's name in place of its path."""
    return [f"{problem.file.name}:{problem.line}: {problem.message}" for problem in problems]
