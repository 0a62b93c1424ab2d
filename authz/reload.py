"""Reload: policy and keys are read anew when their files change, or when somebody asks."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import watch

from authz.errors import ConfigurationError
from authz.observe import fault
from authz.revision import folders
from authz.snapshot import take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authz.snapshot import Snapshot, Sources

__all__ = ["Blind", "Places", "Refused", "Reloader", "Report", "Taken", "Watch", "places"]

QUIET_MS: Final = 100
LONGEST_MS: Final = 1_000
MAX_LINKS: Final = 32


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot was taken; `asked` if somebody wanted to know."""

    snapshot: Snapshot
    asked: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """What is in the folders cannot be used: each problem with file and line."""

    problems: tuple[str, ...]
    asked: bool


@dataclass(frozen=True, slots=True)
class Blind:
    """Changes cannot be seen; the text says why."""

    text: str


Report = Taken | Refused | Blind


class Reloader:
    """Takes snapshots in a thread of its own, one at a time; of several requests meanwhile the latest counts."""

    def __init__(
        self,
        sources: Sources,
        folder: Path,
        running: Callable[[], Snapshot],
        tell: Callable[[Report], None],
    ) -> None:
        self._sources = sources
        self._folder = folder
        self._running = running
        self._tell = tell
        self._wanted = threading.Event()
        self._asked = False
        self._count = 0

    def start(self) -> None:
        """Begin to wait for requests."""
        threading.Thread(target=self._serve, name="reload", daemon=True).start()

    def changed(self) -> None:
        """Read anew, because a file has changed."""
        self._wanted.set()

    def ask(self) -> None:
        """Read anew, because somebody wants it."""
        self._asked = True
        self._wanted.set()

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            asked, self._asked = self._asked, False
            self._tell(self._result(asked))

    def _result(self, asked: bool) -> Taken | Refused:
        self._count += 1
        place = self._folder / str(self._count)
        try:
            return Taken(take(self._sources, place, self._running()), asked)
        except ConfigurationError as error:
            return Refused(tuple(map(str, error.problems)), asked)
        except OSError as error:
            return Refused((f"cannot copy it to {place}: {error.strerror or type(error).__name__}",), asked)
        except Exception as error:  # noqa: BLE001  whatever it is, the next request must find somebody waiting
            return Refused((f"internal_error: {fault(error)}",), asked)


@dataclass(frozen=True, slots=True)
class Places:
    """What tells of a change: folders, of which every entry counts, and single entries of other folders.

    `identities` tell a folder from another that took its name.
    """

    folders: frozenset[Path]
    entries: frozenset[Path]
    identities: frozenset[tuple[int, int]]

    def watched(self) -> frozenset[Path]:
        """Return the folders to watch, none of them recursively."""
        return self.folders | {folder for entry in self.entries if (folder := entry.parent).is_dir()}

    def matter(self, path: Path) -> bool:
        """Say whether a change there can change what is read."""
        return path.parent in self.folders or path in self.folders or path in self.entries


def places(*tops: Path) -> Places:
    """Find what to watch. Files are often reached through links, which change where nobody would look for a change."""
    inside: set[Path] = set()
    entries: set[Path] = set()
    for top in tops:
        entries.update(_way(top.absolute()))
        for folder in folders(top):
            inside.add(folder.resolve())
            entries.update(_way(folder.absolute()))
            for file in _links(folder):
                entries.update(_way(file.absolute()))
    statuses = [path.stat() for path in inside if path.is_dir()]
    return Places(frozenset(inside), frozenset(entries), frozenset((each.st_dev, each.st_ino) for each in statuses))


def _links(folder: Path) -> Iterator[Path]:
    try:
        yield from (Path(entry.path) for entry in os.scandir(folder) if entry.is_symlink())
    except OSError:
        return


def _way(path: Path) -> Iterator[Path]:
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


class Watch:
    """Tells of changes below some folders, from a thread of its own; changes that come together are told once."""

    def __init__(self, tops: tuple[Path, ...], changed: Callable[[], None], tell: Callable[[Report], None]) -> None:
        self._tops = tops
        self._changed = changed
        self._tell = tell
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch. If the system does not let us, `tell` hears of it."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Tell of no change from now on."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                with suppress(FileNotFoundError):  # it went just now: there is something else to watch
                    self._watch(places(*self._tops))
        except (OSError, RuntimeError) as error:
            self._tell(Blind(str(error)))

    def _watch(self, at: Places) -> None:
        """Watch until there is something else to watch. Whatever changed before the watch began is told too."""
        began = False
        changes = watch(
            *sorted(at.watched()),
            watch_filter=None,
            recursive=False,
            ignore_permission_denied=True,
            debounce=LONGEST_MS,
            step=QUIET_MS,
            rust_timeout=LONGEST_MS,
            yield_on_timeout=True,
            stop_event=self._stopped,
        )
        for changed in changes:
            moved = bool(changed or not began) and places(*self._tops) != at
            if not began or moved or any(at.matter(Path(path)) for _, path in changed):
                began = True
                self._changed()
            if moved:
                return
