"""Watched paths: where a change of policy or keys shows, however many links lead to them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.policy.files import folders

MAX_LINKS: Final = 32


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """Folders of which every entry counts, and single entries of other folders.

    `identities` distinguish a folder from another that took its name.
    """

    folders: frozenset[Path]
    entries: frozenset[Path]
    identities: frozenset[tuple[int, int]]

    def watched(self) -> frozenset[Path]:
        """Return the folders to watch, none of them recursively."""
        return self.folders | {folder for entry in self.entries if (folder := entry.parent).is_dir()}

    def concerns(self, path: Path) -> bool:
        """Whether a change of that path can change what is read."""
        return path.parent in self.folders or path in self.folders or path in self.entries


def watched_paths(*tops: Path) -> WatchedPaths:
    """Find what to watch: also each link on the way to a file, since a mounted volume changes by moving a link."""
    inside: set[Path] = set()
    entries: set[Path] = set()
    for top in tops:
        entries.update(_steps(top.absolute()))
        for folder in folders(top):
            inside.add(folder.resolve())
            entries.update(_steps(folder.absolute()))
            for file in _links(folder):
                entries.update(_steps(file.absolute()))
    statuses = [path.stat() for path in inside if path.is_dir()]
    return WatchedPaths(
        frozenset(inside), frozenset(entries), frozenset((each.st_dev, each.st_ino) for each in statuses)
    )


def _links(folder: Path) -> Iterator[Path]:
    try:
        yield from (Path(entry.path) for entry in os.scandir(folder) if entry.is_symlink())
    except OSError:
        return


def _steps(path: Path) -> Iterator[Path]:
    """Yield the entries of folders that a path leads through where another could be put: links, and its end."""
    at, links = Path(path.anchor), 0
    rest = list(path.parts[1:])
    while rest:
        entry = at / rest.pop(0)
        if not os.path.lexists(entry):
            yield entry
            return
        if entry.is_symlink() and links < MAX_LINKS:
            links += 1
            yield entry
            target = entry.readlink()
            at = Path(target.anchor) if target.is_absolute() else at
            rest = [*(target.parts[1:] if target.is_absolute() else target.parts), *rest]
        elif entry.name == "..":
            at = at.parent
        else:
            at = entry
    yield at
