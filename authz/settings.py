"""Settings of the server: what its flags and environment variables may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AddressTemplate", "ServeSettings"]

MAX_SOCKET_PATH: Final = 107
MAX_PORT: Final = 65_535
_WORKER: Final = re.compile(r"\{(?:([0-9]{1,5})\+)?worker\}")
_NETWORK: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class AddressTemplate:
    """Where workers listen: `HOST:PORT` or `unix:PATH`, in which `{worker}` or `{9000+worker}` counts them from 0."""

    text: str

    @classmethod
    def parse(cls, text: str) -> AddressTemplate:
        """Return the template. Raises ValueError, with what to mend, for what is no address."""
        template = cls(text)
        address = template.address(0)
        if "{" in address or "}" in address:
            raise ValueError(f"'{text}' holds braces that are neither {{worker}} nor {{9000+worker}}")
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            if not path or len(path.encode()) > MAX_SOCKET_PATH:
                raise ValueError(f"'{text}': the path of a Unix socket has 1 to {MAX_SOCKET_PATH} bytes")
            return template
        network = _NETWORK.fullmatch(address)
        if network is None or int(network["port"]) > MAX_PORT:
            raise ValueError(f"'{text}' is no address: write HOST:PORT or unix:PATH")
        return template

    def address(self, worker: int) -> str:
        """Return the address of one worker."""
        return _WORKER.sub(lambda counted: str(int(counted[1] or 0) + worker), self.text)


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What `authz serve` was asked to do."""

    policy: Path
    keys: Path
    environment: str
    listen: tuple[AddressTemplate, ...]
    log_level: str
    allow_empty_issuers: bool
    allow_unlabelled_routes: bool
