"""The scratch folder: where one service keeps the copies that its workers load, and which nobody has to tidy up."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

_NAME: Final = re.compile(r"authz-[0-9]+-[a-z0-9_]+")
_LOCK: Final = "lock"


class Scratch:
    """A new folder within `parent`, gone after the block; the kernel knows whether it is in use, by a lock in it.

    Raises OSError where it cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        self._made = tempfile.TemporaryDirectory(prefix=f"authz-{os.getpid()}-", dir=parent, ignore_cleanup_errors=True)
        self.folder = parent / self._made.name
        coming = self.folder / f"{_LOCK}.coming"
        self._lock = coming.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        coming.rename(self.folder / _LOCK)  # nobody finds it before it is held

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._made.cleanup()
        self._lock.close()


def sweep(parent: Path, owner: int) -> None:
    """Delete what services of that user have left in `parent` because they were killed; leave what is in doubt."""
    with suppress(OSError):
        for name in os.listdir(parent):  # noqa: PTH208  names suffice
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    _remove_if_left(parent / name, owner)


def _remove_if_left(folder: Path, owner: int) -> None:
    """Raises OSError if it is in use, or nothing of ours."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        return
    lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
