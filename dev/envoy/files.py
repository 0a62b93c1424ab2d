"""Names the files that Envoy reads, and copies them with other ports."""

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
    """What counts for the rate limits: each Envoy itself, or the rate limit service for several Envoys."""

    EMBEDDED = "embedded"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class EnvoyFiles:
    """One complete configuration: the bootstrap and the files it watches, for one engine of limits."""

    folder: Path
    engine: Engine = Engine.EMBEDDED

    @property
    def bootstrap(self) -> Path:
        """The bootstrap that people edit; it has no limits yet."""
        return self.folder / "envoy.yaml"

    @property
    def rendered(self) -> Path:
        """The folder that `authz limits render` writes for this engine."""
        return self.folder / "rendered" / self.engine

    @property
    def started(self) -> Path:
        """The bootstrap that Envoy is started with and reads once."""
        return self.rendered / "envoy.yaml"

    @property
    def limits(self) -> tuple[Path, ...]:
        """The limits, one file for each filter."""
        return tuple(sorted(file for file in self.rendered.glob("*.yaml") if file != self.started))

    @property
    def service_folder(self) -> Path:
        """The folder that only the rate limit service reads; the embedded engine has none."""
        return self.rendered / "ratelimit"

    @property
    def service_limits(self) -> tuple[Path, ...]:
        """The rate limit service's files, one for each filter that asks it."""
        return tuple(sorted(self.service_folder.glob("*.yaml")))

    @property
    def all_limits(self) -> tuple[Path, ...]:
        """The service's files first, so that it knows a limit before Envoy asks about it."""
        return (*self.service_limits, *self.limits)

    @property
    def tls(self) -> Path:
        """The certificate of the TLS listener."""
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
        """Return the files that people edit, each before the files that need it."""
        return (self.tls, self.clusters, self.routes, self.bootstrap)

    def all(self) -> tuple[Path, ...]:
        """Return every file, also those rendered for each engine, each before the files that need it."""
        rendered = (with_(self, engine=engine) for engine in Engine)
        return (*self.edited(), *(file for each in rendered for file in (*each.all_limits, each.started)))


def render(source: EnvoyFiles, target: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> None:
    """Copy a configuration for another Envoy, on loopback only, with the ports that `ports` replaces.

    The rest of the text stays, comments and line numbers too. Paths into the source folder point into the target; all
    others, such as run/tls, still start at the working directory of that Envoy. Raises OSError.
    """
    for file in source.all():
        copy = target.folder / file.relative_to(source.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        replace(copy, rendered(file.read_text("utf-8"), source, target, ports))


def rendered(text: str, source: EnvoyFiles, target: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> str:
    """Return one file's text as `render` writes it."""
    text = _PORT.sub(lambda number: str(ports.get(int(number[0]), int(number[0]))), text)
    text = _ANYWHERE.sub("127.0.0.1", text)
    inside = re.compile(rf"(?<=path: ){re.escape(source.folder.name)}(?=/)")
    return inside.sub(lambda _: str(target.folder), text)


def replace(file: Path, text: str) -> None:
    """Replace a file by an atomic move, the only change that Envoy notices."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)
