"""Reload: reads policy and keys again when their files change, or on request (SIGHUP)."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import watch

from authz.documents.findings import ConfigurationError, Problem
from authz.observing import events
from authz.observing.events import Event
from authz.observing.json_log import fault
from authz.serving.reload.snapshot import Snapshot, Sources, take
from authz.serving.reload.watched_paths import WatchedPaths, watched_paths

QUIET_MS: Final = 100
LONGEST_MS: Final = 1_000
RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot was taken; `requested` if it was on request."""

    snapshot: Snapshot
    requested: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The files cannot be used: each problem with file and line."""

    problems: tuple[Problem, ...]
    requested: bool


Report = Taken | Refused | Event
"""An event says that the files are not watched any more, or again."""


class Reloader:
    """Takes snapshots in a thread of its own, one at a time; several requests meanwhile become one."""

    def __init__(
        self,
        sources: Sources,
        folder: Path,
        running: Callable[[], Snapshot],
        post: Callable[[Report], None],
    ) -> None:
        self._sources = sources
        self._folder = folder
        self._running = running
        self._post = post
        self._wanted = threading.Event()
        self._requested = False
        self._count = 0

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._serve, name="reload", daemon=True).start()

    def changed(self) -> None:
        """Read the files again, because one has changed."""
        self._wanted.set()

    def request(self) -> None:
        """Read the files again, on request."""
        self._requested = True
        self._wanted.set()

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            requested, self._requested = self._requested, False
            self._post(self._result(requested))

    def _result(self, requested: bool) -> Taken | Refused:
        self._count += 1
        place = self._folder / str(self._count)
        try:
            return Taken(take(self._sources, place, self._running()), requested)
        except ConfigurationError as error:
            return Refused(error.problems, requested)
        except OSError as error:
            return self._refused(f"cannot be copied to {place}: {error.strerror or type(error).__name__}", requested)
        except Exception as error:  # noqa: BLE001  whatever it is, the thread must go on
            return self._refused(f"internal_error: {fault(error)}", requested)

    def _refused(self, text: str, requested: bool) -> Refused:
        return Refused((Problem(self._sources.policy, 0, text),), requested)


class Watch:
    """Calls `changed` after changes below some folders, from a thread of its own; once for changes in quick succession.

    If the system does not let it watch, it posts that once, and once more when it watches again.
    """

    def __init__(self, tops: tuple[Path, ...], changed: Callable[[], None], post: Callable[[Report], None]) -> None:
        self._tops = tops
        self._changed = changed
        self._post = post
        self._stopped = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with suppress(FileNotFoundError):  # it was removed just now: there is something else to watch
                    self._watch(watched_paths(*self._tops))
            except (OSError, RuntimeError) as error:
                if not self._failed:
                    self._post(events.watch_failed(str(error)))
                self._failed = True
                self._stopped.wait(RETRY_SECONDS)

    def _watch(self, at: WatchedPaths) -> None:
        """Watch until there is something else to watch. What changed before the watch began counts too."""
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
                self._post(events.watch_restored())
            moved = bool(changed or not began) and watched_paths(*self._tops) != at
            if not began or moved or any(at.concerns(Path(path)) for _, path in changed):
                began = True
                self._changed()
            if moved:
                return
