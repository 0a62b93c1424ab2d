"""Is everything that Envoy reads right? Envoy itself says so, and a problem is told with its file and line."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev import certificate
from dev.envoy import labels as envoy_labels
from dev.envoy import located
from dev.envoy import managers as envoy_managers
from dev.envoy import outline as envoy_outline
from dev.envoy import routes as envoy_routes
from dev.envoy.files import Engine, EnvoyFiles
from dev.envoy.inline import inlined
from dev.envoy.program import binary
from dev.envoy.refusal import Refusal, told
from dev.envoy.yaml_lines import Document, Problem, Tree, read

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
    documents, problems = _read(*files.edited())
    if problems:
        return tuple(problems)
    configuration = Configuration(*documents)
    with tempfile.TemporaryDirectory() as scratch:
        validator = _Validator(Path(scratch))
        found = tuple(dict.fromkeys(_check(configuration, validator)))
        return found or tuple(_check_rendered(files, configuration, validator))


def _check_rendered(files: EnvoyFiles, edited: Configuration, validator: "_Validator") -> Iterator[Problem]:
    """What Envoy is really started with, for each engine: the same with the limits in their places."""
    for engine in Engine:
        whole = replace(files, engine=engine)
        documents, problems = _read(whole.started, *whole.limits)
        yield from problems
        if problems:
            continue
        bootstrap, *limits = documents
        refusal = validator.refusal(replace(edited, bootstrap=bootstrap), *limits)
        if refusal:
            where = "what was rendered, not what is edited: render it again (make limits)"
            yield Problem(whole.rendered, 0, f"{refusal.reason}; this is {where}")


def _read(*files: Path) -> tuple[list[Document], list[Problem]]:
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        document, slips = read(file)
        problems += slips
        documents += [document] if document else []
    return documents, problems


def _check(whole: Configuration, validator: "_Validator") -> Iterator[Problem]:
    bent = envoy_outline.slips(whole.tls, whole.clusters, whole.routes, whole.bootstrap)
    if bent:
        yield from bent
        return
    try:
        yield from envoy_managers.slips(whole.bootstrap)
        yield from envoy_routes.slips(whole.routes)
        yield from envoy_labels.slips(whole.routes, whole.clusters)
        refusal = validator.refusal(whole)
        if refusal:
            yield from _located(whole, validator, refusal)
    except (KeyError, TypeError, AttributeError, IndexError):
        mend = "compare them with a version that worked (git diff)"
        yield Problem(whole.bootstrap.file.parent, 0, f"the files have a shape that these checks cannot follow; {mend}")


def _located(whole: Configuration, validator: "_Validator", refusal: Refusal) -> Iterator[Problem]:
    """Which file, and which of its resources, Envoy means; it names neither."""
    bare = replace(whole, routes=_only(whole.routes, _hosts_without_routes(whole.routes.tree)))
    lone = replace(bare, clusters=_only(bare.clusters, NOTHING))
    if alone := validator.refusal(lone):
        yield located.in_tls_or_bootstrap(whole.tls, whole.bootstrap, alone, _words(whole))
        return
    found = _once(_bad_clusters(whole, lone, validator)) or _once(_bad_routes(whole, bare, validator))
    together = Problem(whole.routes.file, 0, f"together with {whole.clusters.file.name}: {refusal.reason}")
    yield from found or (together,)


def _once(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each piece once: what goes wrong in a shared one goes wrong wherever its name is repeated."""
    first: dict[object, Problem] = {}
    for problem in found:
        first.setdefault((problem.line, problem.message.partition(": ")[2]), problem)
    return tuple(first.values())


def _bad_clusters(whole: Configuration, around: Configuration, validator: "_Validator") -> Iterator[Problem]:
    clusters = whole.clusters
    for number, cluster in enumerate(clusters.tree["resources"]):
        refusal = validator.refusal(replace(around, clusters=_only(clusters, {"resources": [cluster]})))
        if refusal:
            yield located.in_cluster(clusters, number, refusal, _words(whole))


def _bad_routes(whole: Configuration, around: Configuration, validator: "_Validator") -> Iterator[Problem]:
    for place, route in envoy_routes.every(whole.routes):
        configuration = whole.routes.tree["resources"][place[1]]
        host = configuration["virtual_hosts"][place[3]]
        lone = {**configuration, "virtual_hosts": [{**host, "routes": [route]}]}
        refusal = validator.refusal(replace(around, routes=_only(whole.routes, {"resources": [lone]})))
        if refusal:
            yield located.in_route(whole.routes, place, refusal, _words(whole))


def _words(whole: Configuration) -> set[str]:
    return {word for each in (whole.tls, whole.clusters, whole.routes, whole.bootstrap) for word in each.words()}


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

    def refusal(self, asked: Configuration, *limits: Document) -> Refusal | None:
        """Why Envoy refuses it, or None."""
        trees = (asked.bootstrap.tree, asked.clusters.tree, asked.routes.tree, asked.tls.tree)
        filters = {each["name"]: each["typed_config"] for limit in limits for each in limit.tree["resources"]}
        self._bootstrap.write_text(inlined(*trees, self._certificate, filters), "utf-8")
        command = [str(binary()), "--mode", "validate", "--config-path", str(self._bootstrap), "--disable-hot-restart"]
        run = subprocess.run(
            [*command, "--log-level", "error"], capture_output=True, text=True, timeout=VALIDATE_SECONDS, check=False
        )
        return told(run.stderr) if run.returncode else None
