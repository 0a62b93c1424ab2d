"""Runs a Redis on loopback without a disk: counts of limits last only for a window."""

import shutil
import socket
from dataclasses import dataclass

from dev.up.plan import LOOPBACK

PROGRAM = "redis-server"
TIMEOUT_SECONDS = 1.0


class MissingRedisError(Exception):
    """There is no Redis on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis and its port."""

    port: int

    def command(self) -> list[str]:
        """Return the command that starts it. Raises MissingRedisError."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise MissingRedisError(
                f"there is no {PROGRAM} in PATH: install it, on Debian with apt-get install {PROGRAM}"
            )
        return [program, "--bind", LOOPBACK, "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        """Whether it accepts commands."""
        try:
            return self.ask(b"PING") == b"+PONG"
        except OSError:
            return False

    def ask(self, command: bytes) -> bytes:
        """Return the first line of the answer to a command without arguments. Raises OSError."""
        with socket.create_connection((LOOPBACK, self.port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(command + b"\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline().strip()
