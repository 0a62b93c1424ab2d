"""The files that Envoy reads, and copies of them for other ports."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as with_
from enum import StrEnum
from pathlib import Path

PLAIN, TLS, ADMIN = 8080, 8443, 9901
_PORT = re.compile(r"(?<=port_value: )\d+\b")
_ANYWHERE = re.compile(r"(?<=address: )0\.0\.0\.0(?=\W)")
_NO_PORTS: Mapping[int, int] = {}


class Engine(StrEnum):
    """Who counts for the rate limits: Envoy itself, or the rate limit service for several of them."""

    EMBEDDED = "embedded"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class EnvoyFiles:
    """One complete configuration: the bootstrap and what it watches, for one engine of limits."""

    folder: Path
    engine: Engine = Engine.EMBEDDED

    @property
    def bootstrap(self) -> Path:
        """What people edit; it has no limits yet."""
        return self.folder / "envoy.yaml"

    @property
    def rendered(self) -> Path:
        """What `authz limits render` made of it for this engine."""
        return self.folder / "rendered" / self.engine

    @property
    def started(self) -> Path:
        """What Envoy is started with, and reads once."""
        return self.rendered / "envoy.yaml"

    @property
    def limits(self) -> tuple[Path, ...]:
        """The limits, a file a filter."""
        return tuple(sorted(file for file in self.rendered.glob("*.yaml") if file != self.started))

    @property
    def service_folder(self) -> Path:
        """What the rate limit service reads, and nothing else; the embedded engine has none."""
        return self.rendered / "ratelimit"

    @property
    def service_limits(self) -> tuple[Path, ...]:
        """Its files, one for each of the filters that ask it."""
        return tuple(sorted(self.service_folder.glob("*.yaml")))

    @property
    def all_limits(self) -> tuple[Path, ...]:
        """What both of them read; the service knows a limit before it is asked about it."""
        return (*self.service_limits, *self.limits)

    @property
    def tls(self) -> Path:
        """Which certificate the TLS listener shows."""
        return self.folder / "tls.yaml"

    @property
    def clusters(self) -> Path:
        """The backends."""
        return self.folder / "dynamic" / "clusters.yaml"

    @property
    def routes(self) -> Path:
        """Which prefix leads to which backend."""
        return self.folder / "dynamic" / "routes.yaml"

    def edited(self) -> tuple[Path, ...]:
        """The files that people edit, what is needed by another one first."""
        return (self.tls, self.clusters, self.routes, self.bootstrap)

    def all(self) -> tuple[Path, ...]:
        """Every file, what is needed by another one first, with what was rendered for every engine."""
        rendered = (with_(self, engine=engine) for engine in Engine)
        return (*self.edited(), *(file for each in rendered for file in (*each.all_limits, each.started)))


def render(source: EnvoyFiles, target: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> None:
    """Copy a configuration to where another Envoy runs it, on loopback only, each port replaced by what `ports` names.

    The text stays as it is otherwise, comments and line numbers too. Paths into the source folder point into the target
    then; all others, such as run/tls, still start at the working directory of that Envoy. Raises OSError.
    """
    for file in source.all():
        copy = target.folder / file.relative_to(source.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        replace(copy, rendered(file.read_text("utf-8"), source, target, ports))


def rendered(text: str, source: EnvoyFiles, target: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> str:
    """One file's text as `render` writes it."""
    text = _PORT.sub(lambda number: str(ports.get(int(number[0]), int(number[0]))), text)
    text = _ANYWHERE.sub("127.0.0.1", text)
    inside = re.compile(rf"(?<=path: ){re.escape(source.folder.name)}(?=/)")
    return inside.sub(lambda _: str(target.folder), text)


def replace(file: Path, text: str) -> None:
    """Put a new text in the place of a file by an atomic move, the only change that Envoy notices."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)
