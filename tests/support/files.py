"""Writes, edits and reads files for tests, and formats the problems that their readers find."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

from authz.documents.findings import Problem


def write(file: Path, text: str) -> Path:
    """Write a file and its folders, without the text's common indentation and first line break."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text.removeprefix("\n")), encoding="utf-8")
    return file


def replace(file: Path, text: str) -> None:
    """Put a file in place of another in one step, as editors and mounts do."""
    prepared = file.with_name(f".{file.name}.new")
    prepared.write_text(text, encoding="utf-8")
    prepared.replace(file)


def edit(file: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in a file in one step; each must be in it."""
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{file.name} has changed and no longer holds: {old}"
        text = text.replace(old, new)
    replace(file, text)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its path there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def shown(problems: Iterable[Problem]) -> list[str]:
    """Return each problem as file name, line and message."""
    return [f"{problem.file.name}:{problem.line}: {problem.message}" for problem in problems]
