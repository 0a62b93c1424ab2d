"""A package index on loopback with stand-ins: wheels of the names and versions in a lock, and newer ones of each."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, distribution
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

NEWER = "99999.0"
SECONDS = 90
_PINNED = re.compile(r"^(?P<name>[a-z0-9][\w.-]*)==(?P<version>[\w.]+)(?P<marker> ; .*?)? \\$", re.MULTILINE)
_USER = re.compile(r"^    (?:# via|#  ) +([a-z0-9][\w.-]*)$")


@dataclass(frozen=True, slots=True)
class Pin:
    """One requirement of a lock: what it pins, on which machines, and which packages of the lock ask for it."""

    name: str
    version: str
    marker: str
    users: tuple[str, ...]


def pins(lock: Path) -> tuple[Pin, ...]:
    """Every requirement of a lock that uv has written."""
    text = lock.read_text("utf-8")
    found = list(_PINNED.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    return tuple(
        Pin(each["name"], each["version"], each["marker"] or "", _users(text[each.end() : end]))
        for each, end in zip(found, ends, strict=True)
    )


def _users(comments: str) -> tuple[str, ...]:
    return tuple(match[1] for line in comments.splitlines() if (match := _USER.match(line)))


@dataclass(frozen=True, slots=True)
class StandIn:
    """A wheel with nothing but metadata; the one of uv starts the real uv."""

    name: str
    version: str
    content: bytes

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def digest(self) -> str:
        """Its SHA-256."""
        return hashlib.sha256(self.content).hexdigest()


@cache
def _metadata(name: str, asked: tuple[str, ...]) -> str:
    """What the real package requires, with ranges and extras; where it is not installed, what the lock says."""
    try:
        real = distribution(name).metadata
    except PackageNotFoundError:
        return "".join(f"Requires-Dist: {each}>=0\n" for each in asked)
    extras = "".join(f"Provides-Extra: {each}\n" for each in real.get_all("Provides-Extra", []))
    return extras + "".join(f"Requires-Dist: {each}\n" for each in real.get_all("Requires-Dist", []))


def _wheel(name: str, version: str, metadata: str, script: str) -> StandIn:
    folder = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{folder}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{folder}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{folder}.data/scripts/{name}"] = script
    files[f"{folder}.dist-info/RECORD"] = "".join(f"{each},,\n" for each in (*files, f"{folder}.dist-info/RECORD"))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for each, text in files.items():
            entry = zipfile.ZipInfo(each)
            entry.external_attr = (0o100755 if "/scripts/" in each else 0o100644) << 16
            archive.writestr(entry, text)
    return StandIn(name, version, written.getvalue())


@dataclass(slots=True)
class PackageIndex:
    """Serves stand-ins; a context manager. `refuses` makes every answer 403; a path with `holds` waits."""

    uv: Path
    refuses: bool = False
    holds: str = ""
    held: Event = field(default_factory=Event)
    release: Event = field(default_factory=Event)
    asked: list[str] = field(default_factory=list)
    _wheels: dict[str, dict[str, StandIn]] = field(default_factory=lambda: defaultdict(dict))
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        if self._server:
            self._server.shutdown()
            self._server.block_on_close = False
            self._server.server_close()

    @property
    def url(self) -> str:
        """What pip's index-url is to be."""
        if self._server is None:
            raise RuntimeError("the index is not started")
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    def offer(self, lock: Path) -> str:
        """Offer each pinned version and a newer one; return the lock with the hashes of the stand-ins."""
        pinned = pins(lock)
        script = f"#!/bin/sh\nexec '{self.uv}' \"$@\"\n"
        text = ""
        for pin in pinned:
            needs = tuple(each.name for each in pinned if pin.name in each.users)
            for version in (pin.version, NEWER):
                made = _wheel(pin.name, version, _metadata(pin.name, needs), script if pin.name == "uv" else "")
                self._wheels[pin.name].setdefault(version, made)
            text += (
                f"{pin.name}=={pin.version}{pin.marker} --hash=sha256:{self._wheels[pin.name][pin.version].digest}\n"
            )
        return text

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are used again, as by a real index

            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base class
                """Be quiet."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One page of links, or one file."""
        self.asked.append(request.path)
        if self.holds and self.holds in request.path:
            self.held.set()
            self.release.wait(SECONDS)
        with suppress(ConnectionError):  # the one who asked was killed meanwhile
            self._send(request)

    def _send(self, request: BaseHTTPRequestHandler) -> None:
        kind, content = self._found(request.path)
        status = HTTPStatus.FORBIDDEN if self.refuses else HTTPStatus.OK if kind else HTTPStatus.NOT_FOUND
        request.send_response(status)
        body = content if status is HTTPStatus.OK else b""
        request.send_header("Content-Type", kind or "text/plain")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _found(self, path: str) -> tuple[str, bytes]:
        folder, name = path.strip("/").partition("/")[::2]
        if folder == "simple" and name in self._wheels:
            links = (f'<a href="/files/{e.file}#sha256={e.digest}">{e.file}</a>' for e in self._wheels[name].values())
            return "text/html", f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
        package = name.partition("-")[0].replace("_", "-")
        files = {each.file: each.content for each in self._wheels.get(package, {}).values()}
        return ("application/octet-stream", files[name]) if folder == "files" and name in files else ("", b"")
