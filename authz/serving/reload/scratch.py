"""The scratch folder: where one service keeps the data that its workers load. It cleans up after itself."""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"authz-[0-9]+-[a-z0-9_]+")
_LOCK: Final = "lock"


class Scratch:
    """A new folder within `parent`, for this user alone, deleted after the block. A file lock shows that it is in use.

    Raises OSError where it cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        self._made = tempfile.TemporaryDirectory(prefix=f"authz-{os.getpid()}-", dir=parent, ignore_cleanup_errors=True)
        self.folder = parent / self._made.name
        coming = self.folder / f"{_LOCK}.coming"
        self._lock = coming.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        coming.rename(self.folder / _LOCK)  # so that it is never found unlocked

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        self._made.cleanup()
        self._lock.close()


def remove_leftovers(parent: Path, owner: int) -> None:
    """Delete the folders in `parent` of services of that user that were killed. Whatever is in doubt stays."""
    with suppress(OSError):
        for name in os.listdir(parent):  # noqa: PTH208  names suffice
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    _remove_if_unused(parent / name, owner)


def _remove_if_unused(folder: Path, owner: int) -> None:
    """Raises OSError if it is in use, or no such folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        return
    lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
