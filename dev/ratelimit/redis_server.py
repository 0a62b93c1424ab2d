"""A Redis for one run: on loopback, and nothing of it on disk, for limits count in windows that end soon anyway."""

import shutil
import socket
from dataclasses import dataclass

from dev.up.plan import LOOPBACK

PROGRAM = "redis-server"
TIMEOUT_SECONDS = 1.0


class MissingRedisError(Exception):
    """There is none on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where it listens."""

    port: int

    def command(self) -> list[str]:
        """What starts it. Raises MissingRedisError."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise MissingRedisError(
                f"there is no {PROGRAM} in PATH: install it, on Debian with apt-get install {PROGRAM}"
            )
        return [program, "--bind", LOOPBACK, "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        """Whether it takes commands."""
        try:
            return self.ask(b"PING") == b"+PONG"
        except OSError:
            return False

    def ask(self, command: bytes) -> bytes:
        """The first line of its answer to a command without arguments. Raises OSError."""
        with socket.create_connection((LOOPBACK, self.port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(command + b"\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline().strip()
