"""`python -m dev.kubernetes`: makes the ConfigMaps that deploy/kubernetes/ names from envoy/.

They hold the files for containers (dev/compose/files.py): the shared engine, services by name. Apply them after each
edit: the kubelet swaps `..data`, and Envoy and the rate limit service load the new files without a restart.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from dev.compose import files as compose_files
from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from dev.envoy.program import MissingBinaryError

SHIPPED = compose_files.shared(Path("envoy"))
RUN = Path("deploy/envoy/run.sh")
INTO = Path("run/kubernetes/configuration.yaml")
NAMESPACE = "cloud-connector"
LIMIT_BYTES = 1_000_000
"""The API server accepts a little less than 1 MiB in one object."""


class TooLargeError(Exception):
    """A ConfigMap is too large for Kubernetes; the message names it."""


def main() -> int:
    """Return 0, or 1 with problems on stderr."""
    into: Path = _parser().parse_args().into
    try:
        problems = check(SHIPPED)
        if problems:
            print(*problems, sep="\n", file=sys.stderr)
            return 1
        text = configuration(SHIPPED)
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(text, "utf-8")
    except (MissingBinaryError, TooLargeError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{into}: kubectl apply -f {into} -f deploy/kubernetes/")
    return 0


def configuration(source: EnvoyFiles) -> str:
    """Return all ConfigMaps as one YAML text. Raises TooLargeError or OSError."""
    with tempfile.TemporaryDirectory() as scratch:
        files = compose_files.shared(Path(scratch, "envoy"))
        compose_files.write(source, files)
        return "---\n".join(map(_dumped, _config_maps(files)))


def _config_maps(files: EnvoyFiles) -> Iterator[Any]:  # Any: a Kubernetes object
    yield _config_map("door-envoy", (files.tls, RUN))
    yield _config_map("door-limits", (files.started, *files.limits))
    yield _config_map("door-routes", (files.clusters, files.routes))
    yield _config_map("ratelimit-limits", sorted((files.rendered / compose_files.RATELIMIT).glob("*.yaml")))


def _config_map(name: str, files: Iterable[Path]) -> Any:  # Any: a Kubernetes object
    data = {file.name: file.read_text("utf-8") for file in files}
    size = sum(len(text.encode()) for text in data.values())
    if size > LIMIT_BYTES:
        raise TooLargeError(
            f"ConfigMap {name} would have {size} bytes, but Kubernetes accepts {LIMIT_BYTES}: divide it"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": data,
    }


class _Dumper(yaml.SafeDumper):
    """Writes a file's text line by line, so that a diff shows what changed."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dumped(tree: Any) -> str:  # Any: a Kubernetes object
    # Dumper is a subclass of SafeDumper.
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.kubernetes", description="ConfigMaps made from envoy/")
    parser.add_argument("--into", type=Path, default=INTO, help=f"the file to write (default: {INTO})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
