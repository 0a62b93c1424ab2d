"""The recorded CheckRequests: the client's request, the expected content, and the bytes that Envoy sent."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.repository import TESTS

FOLDER: Final = TESTS / "recordings"
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of a client; header values are Latin-1."""

    http: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The expected content of the recorded bytes; a header's value may be `ANY`."""

    method: str
    path: str
    label: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Recording:
    """One entry of the index."""

    name: str
    about: str
    sent: Sent
    seen: Seen

    @property
    def file(self) -> Path:
        """The file with its bytes."""
        return FOLDER / f"{self.name}.bin"


def recordings() -> tuple[Recording, ...]:
    """Read the index."""
    return tuple(_recording(entry) for entry in yaml.safe_load((FOLDER / "index.yaml").read_text(encoding="utf-8")))


def _recording(entry: dict[str, Any]) -> Recording:
    send, seen = entry["send"], entry["seen"]
    headers = tuple((name, _expanded(value)) for name, value in send["headers"])
    sent = Sent(send["http"], send["method"], send["path"], headers)
    found = {name: _expanded(value) for name, value in seen["headers"].items()}
    return Recording(entry["name"], entry["about"], sent, Seen(seen["method"], seen["path"], seen["label"], found))


def _expanded(value: str) -> str:
    return re.sub(r"\{(.) x (\d+)\}", lambda match: match[1] * int(match[2]), value)
