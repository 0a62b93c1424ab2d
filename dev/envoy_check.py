"""Is everything that Envoy reads right? Envoy itself says so, and a problem is told with its file and line."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev import certificate, envoy_labels, envoy_managers, envoy_routes
from dev.envoy_files import EnvoyFiles
from dev.envoy_inline import inlined
from dev.envoy_program import binary
from dev.envoy_refusal import told
from dev.envoy_yaml import Document, Problem, Tree, read

VALIDATE_SECONDS = 30
NOTHING: Mapping[str, Any] = {"resources": []}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Four parsed files."""

    tls: Document
    clusters: Document
    routes: Document
    bootstrap: Document


def check(files: EnvoyFiles) -> tuple[Problem, ...]:
    """Everything that is wrong with a configuration; empty: Envoy accepts it as a whole.

    `envoy --mode validate` alone does not open the files that a bootstrap subscribes to, so they are inlined first.
    Raises MissingBinaryError.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files.all():
        document, slips = read(file)
        problems += slips
        documents += [document] if document else []
    if problems:
        return tuple(problems)
    configuration = Configuration(*documents)
    with tempfile.TemporaryDirectory() as scratch:
        return tuple(_check(configuration, _Validator(Path(scratch))))


def _check(whole: Configuration, validator: "_Validator") -> Iterator[Problem]:
    try:
        yield from envoy_managers.slips(whole.bootstrap)
        yield from envoy_routes.slips(whole.routes)
        yield from envoy_labels.slips(whole.routes, whole.clusters)
        refusal = validator.refusal(whole)
        if refusal:
            yield from _located(whole, validator, refusal)
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        yield Problem(whole.bootstrap.file.parent, 0, f"files without the outline of Envoy's: {problem!r}")


def _located(whole: Configuration, validator: "_Validator", refusal: str) -> Iterator[Problem]:
    """Which file, and which of its resources, Envoy means; it names neither."""
    bare = replace(whole, routes=_only(whole.routes, _hosts_without_routes(whole.routes.tree)))
    lone = replace(bare, clusters=_only(bare.clusters, NOTHING))
    alone = validator.refusal(lone)
    if alone:
        about_secret = "secret" in alone
        yield Problem(whole.tls.file if about_secret else whole.bootstrap.file, 0, alone)
        return
    found = _once(_bad_clusters(whole.clusters, lone, validator)) or _once(_bad_routes(whole.routes, bare, validator))
    together = Problem(whole.routes.file, 0, f"together with {whole.clusters.file.name}: {refusal}")
    yield from found or (together,)


def _once(found: Iterable[tuple[str, Problem]]) -> tuple[Problem, ...]:
    """Each reason once: what goes wrong in a shared piece goes wrong wherever its name is repeated."""
    first: dict[str, Problem] = {}
    for reason, problem in found:
        first.setdefault(reason, problem)
    return tuple(first.values())


def _bad_clusters(clusters: Document, around: Configuration, validator: "_Validator") -> Iterator[tuple[str, Problem]]:
    for number, cluster in enumerate(clusters.tree["resources"]):
        refusal = validator.refusal(replace(around, clusters=_only(clusters, {"resources": [cluster]})))
        if refusal:
            line = clusters.line("resources", number)
            yield refusal, Problem(clusters.file, line, f"cluster {cluster.get('name')}: {refusal}")


def _bad_routes(routes: Document, around: Configuration, validator: "_Validator") -> Iterator[tuple[str, Problem]]:
    for number, configuration in enumerate(routes.tree["resources"]):
        for host_number, host in enumerate(configuration["virtual_hosts"]):
            for route_number, route in enumerate(host["routes"]):
                lone = {**configuration, "virtual_hosts": [{**host, "routes": [route]}]}
                refusal = validator.refusal(replace(around, routes=_only(routes, {"resources": [lone]})))
                if refusal:
                    at = routes.line("resources", number, "virtual_hosts", host_number, "routes", route_number)
                    yield refusal, Problem(routes.file, at, f"route {route.get('name')}: {refusal}")


def _hosts_without_routes(routes: Tree) -> Tree:
    return {"resources": [{"name": each["name"], "virtual_hosts": []} for each in routes["resources"]]}


def _only(document: Document, tree: Tree) -> Document:
    return replace(document, tree=tree)


class _Validator:
    """Asks the real Envoy, about 0.2 s a question."""

    def __init__(self, scratch: Path) -> None:
        self._bootstrap = scratch / "inlined.json"
        made = certificate.ensure(scratch, datetime.now(UTC))
        self._certificate = {"certificate_chain": made.chain.read_text(), "private_key": made.key.read_text()}

    def refusal(self, asked: Configuration) -> str | None:
        """Why Envoy refuses it, or None."""
        trees = (asked.bootstrap.tree, asked.clusters.tree, asked.routes.tree, asked.tls.tree)
        self._bootstrap.write_text(inlined(*trees, self._certificate), "utf-8")
        command = [str(binary()), "--mode", "validate", "--config-path", str(self._bootstrap), "--disable-hot-restart"]
        run = subprocess.run(
            [*command, "--log-level", "error"], capture_output=True, text=True, timeout=VALIDATE_SECONDS, check=False
        )
        return told(run.stderr) if run.returncode else None
