"""The files that Envoy reads, and copies of them for other ports."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLAIN, TLS, ADMIN = 8080, 8443, 9901
_PORT = re.compile(r"(?<=port_value: )\d+\b")
_ANYWHERE = re.compile(r"(?<=address: )0\.0\.0\.0(?=\W)")
_NO_PORTS: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class EnvoyFiles:
    """One complete configuration: the bootstrap and what it watches."""

    folder: Path

    @property
    def bootstrap(self) -> Path:
        """Read once, at the start."""
        return self.folder / "envoy.yaml"

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

    def all(self) -> tuple[Path, ...]:
        """Every file, what is needed by another one first."""
        return (self.tls, self.clusters, self.routes, self.bootstrap)


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
