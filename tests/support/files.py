"""Writes files for tests, and formats the problems that their readers find."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

from authz.documents.findings import Problem


def write(file: Path, text: str) -> Path:
    """Write a file and its folders, without the text's common indentation and first line break."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text.removeprefix("\n")), encoding="utf-8")
    return file


def shown(problems: Iterable[Problem]) -> list[str]:
    """Return each problem as file name, line and message."""
    return [f"{problem.file.name}:{problem.line}: {problem.message}" for problem in problems]
