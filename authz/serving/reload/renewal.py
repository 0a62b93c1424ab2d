"""Renewal: reads the files of TLS again when they change, or on request (SIGHUP)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from authz.observing.json_log import fault
from authz.server.tls import Credentials
from authz.serving.reload.tls_files import TlsFiles, TlsFileUnusableError


@dataclass(frozen=True, slots=True)
class Renewed:
    """The files are sound and hold these credentials, which may be those in force; `requested` if on request."""

    credentials: Credentials
    requested: bool


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """A file cannot be used."""

    file: Path
    cause: str
    requested: bool


class Renewal:
    """Reads the files in a thread of its own; several changes meanwhile become one."""

    def __init__(self, files: TlsFiles, post: Callable[[Renewed | NotRenewed], None]) -> None:
        self._files = files
        self._post = post
        self._wanted = threading.Event()
        self._requested = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._serve, name="renewal", daemon=True).start()

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

    def _result(self, requested: bool) -> Renewed | NotRenewed:
        try:
            return Renewed(self._files.read(), requested)
        except TlsFileUnusableError as error:
            return NotRenewed(error.file, error.cause, requested)
        except Exception as error:  # noqa: BLE001  whatever it is, the thread must go on
            return NotRenewed(self._files.certificate, f"internal_error: {fault(error)}", requested)
