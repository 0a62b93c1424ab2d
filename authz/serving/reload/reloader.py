"""Reload: policy and keys are read anew when their files change, or when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import watch

from authz.documents.findings import ConfigurationError, Problem
from authz.observing.events import WatchFailed, WatchRestored
from authz.observing.json_log import fault
from authz.serving.reload.snapshot import Snapshot, Sources, take
from authz.serving.reload.watched_paths import Places, places

QUIET_MS: Final = 100
LONGEST_MS: Final = 1_000
BLIND_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot was taken; `asked` if somebody wanted to know."""

    snapshot: Snapshot
    asked: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """What is in the folders cannot be used: each problem with file and line."""

    problems: tuple[Problem, ...]
    asked: bool


Report = Taken | Refused | WatchFailed | WatchRestored


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
            return Refused(error.problems, asked)
        except OSError as error:
            return self._refused(f"cannot be copied to {place}: {error.strerror or type(error).__name__}", asked)
        except Exception as error:  # noqa: BLE001  whatever it is, the next request must find somebody waiting
            return self._refused(f"internal_error: {fault(error)}", asked)

    def _refused(self, text: str, asked: bool) -> Refused:
        return Refused((Problem(self._sources.policy, 0, text),), asked)


class Watch:
    """Tells of changes below some folders, from a thread of its own; changes that come together are told once.

    Where the system does not let it look, `tell` hears of it once, and once more when it sees again.
    """

    def __init__(self, tops: tuple[Path, ...], changed: Callable[[], None], tell: Callable[[Report], None]) -> None:
        self._tops = tops
        self._changed = changed
        self._tell = tell
        self._stopped = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Tell of no change from now on."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with suppress(FileNotFoundError):  # it went just now: there is something else to watch
                    self._watch(places(*self._tops))
            except (OSError, RuntimeError) as error:
                if not self._failed:
                    self._tell(WatchFailed(str(error)))
                self._failed = True
                self._stopped.wait(BLIND_SECONDS)

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
            if self._failed:
                self._failed = False
                self._tell(WatchRestored())
            moved = bool(changed or not began) and places(*self._tops) != at
            if not began or moved or any(at.matter(Path(path)) for _, path in changed):
                began = True
                self._changed()
            if moved:
                return
