"""Checks everything that Envoy reads, with the real Envoy, and names file and line of each problem."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.envoy import connection_managers, schema
from dev.envoy import refusal as refusals
from dev.envoy import routes as envoy_routes
from dev.envoy.documents import Document, Problem, Tree, read
from dev.envoy.files import Engine, EnvoyFiles
from dev.envoy.refusal import Refusal
from dev.envoy.validator import Configuration, Validator

NOTHING: Mapping[str, Any] = {"resources": []}


def check(files: EnvoyFiles) -> tuple[Problem, ...]:
    """Return everything that is wrong with a configuration; empty: Envoy accepts it as a whole.

    `envoy --mode validate` alone does not open the files that a bootstrap subscribes to, so they are inlined first.
    Raises MissingBinaryError.
    """
    documents, problems = _read(*files.edited())
    if problems:
        return tuple(problems)
    configuration = Configuration(*documents)
    with tempfile.TemporaryDirectory() as scratch:
        validator = Validator(Path(scratch))
        found = tuple(dict.fromkeys(_check(configuration, validator)))
        return found or tuple(_check_rendered(files, configuration, validator))


def _check_rendered(files: EnvoyFiles, edited: Configuration, validator: Validator) -> Iterator[Problem]:
    """Check what Envoy is started with, for each engine: the same files with the limits in them."""
    for engine in Engine:
        whole = replace(files, engine=engine)
        documents, problems = _read(whole.started, *whole.limits)
        yield from problems
        if problems:
            continue
        bootstrap, *limits = documents
        refusal = validator.refusal(replace(edited, bootstrap=bootstrap), *limits)
        if refusal:
            hint = "this folder is rendered, not edited: render it again (make limits)"
            yield Problem(whole.rendered, 0, f"{refusal.reason}; {hint}")


def _read(*files: Path) -> tuple[list[Document], list[Problem]]:
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        document, found = read(file)
        problems += found
        documents += [document] if document else []
    return documents, problems


def _check(whole: Configuration, validator: Validator) -> Iterator[Problem]:
    found = schema.problems(whole.tls, whole.clusters, whole.routes, whole.bootstrap)
    if found:
        yield from found
        return
    try:
        yield from connection_managers.problems(whole.bootstrap)
        yield from envoy_routes.problems(whole.routes)
        yield from envoy_routes.label_problems(whole.routes, whole.clusters)
        refusal = validator.refusal(whole)
        if refusal:
            yield from _located(whole, validator, refusal)
    except (KeyError, TypeError, AttributeError, IndexError):
        hint = "compare them with a version that worked (git diff)"
        yield Problem(whole.bootstrap.file.parent, 0, f"these checks do not understand the files' shape; {hint}")


def _located(whole: Configuration, validator: Validator, refusal: Refusal) -> Iterator[Problem]:
    """Find file and resource of a refusal, which names neither: ask again with parts of the configuration."""
    bare = replace(whole, routes=_only(whole.routes, _hosts_without_routes(whole.routes.tree)))
    lone = replace(bare, clusters=_only(bare.clusters, NOTHING))
    if alone := validator.refusal(lone):
        yield refusals.in_tls_or_bootstrap(whole.tls, whole.bootstrap, alone, whole.words())
        return
    found = _once(_bad_clusters(whole, lone, validator)) or _once(_bad_routes(whole, bare, validator))
    together = Problem(whole.routes.file, 0, f"together with {whole.clusters.file.name}: {refusal.reason}")
    yield from found or (together,)


def _once(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Keep one problem of each piece of YAML, which several aliases may repeat."""
    first: dict[object, Problem] = {}
    for problem in found:
        first.setdefault((problem.line, problem.message.partition(": ")[2]), problem)
    return tuple(first.values())


def _bad_clusters(whole: Configuration, around: Configuration, validator: Validator) -> Iterator[Problem]:
    clusters = whole.clusters
    for number, cluster in enumerate(clusters.tree["resources"]):
        refusal = validator.refusal(replace(around, clusters=_only(clusters, {"resources": [cluster]})))
        if refusal:
            yield refusals.in_cluster(clusters, number, refusal, whole.words())


def _bad_routes(whole: Configuration, around: Configuration, validator: Validator) -> Iterator[Problem]:
    for path, route in envoy_routes.every(whole.routes):
        configuration = whole.routes.tree["resources"][path[1]]
        host = configuration["virtual_hosts"][path[3]]
        lone = {**configuration, "virtual_hosts": [{**host, "routes": [route]}]}
        refusal = validator.refusal(replace(around, routes=_only(whole.routes, {"resources": [lone]})))
        if refusal:
            yield refusals.in_route(whole.routes, path, refusal, whole.words())


def _hosts_without_routes(routes: Tree) -> Tree:
    return {"resources": [{"name": each["name"], "virtual_hosts": []} for each in routes["resources"]]}


def _only(document: Document, tree: Tree) -> Document:
    return replace(document, tree=tree)
