"""The files that a policy and its keys are read from, and the revision: one digest of all of them."""

import hashlib
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

MAX_DEPTH: Final = 16
_ANYWHERE: Final = (".yml", ".yaml")
KEY_FILES: Final = (".jwks.json", ".ca.pem")


def revision(*tops: Path) -> str:
    """Return a digest of the names and contents of all policy and key files, to compare the workers of a fleet."""
    digest = hashlib.sha256()
    for top in tops:
        digest.update(b"\0")  # marks where a folder begins, so that a file that moves to the other folder counts
        for name, content in files(top):
            digest.update(f"{name.as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def files(top: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each file below a folder that policy or keys may come from, by name relative to it, and what it holds.

    A file that cannot be read is left out: no policy was loaded from it.
    """
    for folder, names in _below(top, frozenset()):
        endings = _ANYWHERE + KEY_FILES if folder == top else _ANYWHERE
        for name in sorted(names):
            content = _content(folder / name) if name.endswith(endings) else None
            if content is not None:
                yield (folder / name).relative_to(top), content


def folders(top: Path) -> Iterator[Path]:
    """Return a folder and those below it, through links too; none whose name begins with a dot.

    A mounted volume keeps its files in hidden folders, under names that differ by machine, and links to them.
    """
    return (folder for folder, _ in _below(top, frozenset()))


def _below(folder: Path, above: frozenset[str]) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and those below it, each with the names of its files.

    A link to a folder above itself ends there; other links are followed.
    """
    path = os.path.realpath(folder)
    if path in above or len(above) > MAX_DEPTH:
        return
    for _, below, names in islice(os.walk(folder), 1):
        yield folder, names
        for name in sorted(below):
            if not name.startswith("."):
                yield from _below(folder / name, above | {path})


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes() if stat.S_ISREG(file.stat().st_mode) else None
    except OSError:
        return None
