"""Writes files completely or not at all, even if it is interrupted."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path


def create(file: Path, text: str) -> None:
    """Write a file that does not exist yet. Raises FileExistsError if it does, and OSError."""
    with _prepared(file, text) as prepared:
        os.link(prepared, file)


def replace(file: Path, text: str) -> None:
    """Write a file in place of one that exists; its permissions stay. Raises OSError."""
    target = file.resolve()
    mode = stat.S_IMODE(target.stat().st_mode)
    with _prepared(target, text) as prepared:
        prepared.chmod(mode)
        prepared.replace(target)


def replace_all(texts: Mapping[Path, str]) -> None:
    """Write several files, old or new, in their order; none changes before all of them are complete. Raises OSError."""
    with ExitStack() as drafts:
        moves = []
        for file, text in texts.items():
            if file.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
            file.parent.mkdir(parents=True, exist_ok=True)
            moves.append((drafts.enter_context(_prepared(file, text)), file))
        for prepared, file in moves:
            prepared.replace(file)


@contextmanager
def _prepared(file: Path, text: str) -> Iterator[Path]:
    """Provide a complete file beside the target, with a name that no reader of documents reads."""
    prepared = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(prepared, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        yield prepared
    finally:
        prepared.unlink(missing_ok=True)
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Write the folder's entries to disk, so that a loss of power does not lose the new one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
