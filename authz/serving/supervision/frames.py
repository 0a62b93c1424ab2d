"""Frames: reads whole messages from a pipe without waiting for the rest of a message."""

import os
import struct
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

_READ_BYTES: Final = 65_536
_HEADER: Final = struct.Struct("!i")


class Frames:
    """Reads what `Connection.send` writes at the other end: a length, and that many bytes.

    `Connection.recv` waits for the rest of a message; a worker that hangs in the middle would block the supervisor.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bytes = bytearray()

    def take(self) -> Iterator[Any]:  # Any: whatever was sent
        """Yield each message that has come as a whole. Raises EOFError at the end of the pipe, and OSError."""
        while self._connection.poll():
            read = os.read(self._connection.fileno(), _READ_BYTES)
            if not read:
                raise EOFError
            self._bytes += read
            yield from self._whole()

    def _whole(self) -> Iterator[Any]:
        while len(self._bytes) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._bytes)
            if length < 0:
                raise OSError("a message of more than 2 GiB")
            end = _HEADER.size + length
            if len(self._bytes) < end:
                return
            message = bytes(self._bytes[_HEADER.size : end])
            del self._bytes[:end]
            yield ForkingPickler.loads(message)
