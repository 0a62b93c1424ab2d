"""From the path in a refusal of Envoy's to the line in the file that was inlined there."""

from typing import Any

from dev.envoy.inline import MANAGER, TYPE
from dev.envoy.refusal import Refusal
from dev.envoy.routes import named
from dev.envoy.wording import worded
from dev.envoy.yaml_lines import Document, Place, Problem, Tree, mappings

HOSTS, ROUTES, CLUSTERS, SECRETS = "virtual_hosts", "routes", "clusters", "secrets"


def in_cluster(clusters: Document, number: int, refusal: Refusal, known: set[str]) -> Problem:
    """A refusal of a configuration with this cluster alone."""
    place: Place = ("resources", number)
    path = _after(refusal.path, CLUSTERS, 2) if refusal.path[:2] == ("static_resources", CLUSTERS) else ()
    name = f"cluster {clusters.tree['resources'][number].get('name')}"
    return _problem(clusters, place, (*place, *path), refusal, known, name)


def in_route(routes: Document, place: Place, refusal: Refusal, known: set[str]) -> Problem:
    """A refusal of a configuration with this route alone; its host or their configuration may be what is wrong."""
    full = place
    if "route_config" in refusal.path:
        path = _after(refusal.path, "route_config", 1)
        whose = place[: 6 if ROUTES in path else 4 if HOSTS in path else 2]
        full = (*whose, *path[len(whose) - 2 :])
        place = whose
    return _problem(routes, place, full, refusal, known, named(routes.tree, place))


def in_tls_or_bootstrap(tls: Document, bootstrap: Document, refusal: Refusal, known: set[str]) -> Problem:
    """A refusal of a configuration without clusters and routes of its own."""
    if SECRETS in refusal.path[:2]:
        return _problem(tls, (), ("resources", *_after(refusal.path, SECRETS, 1)), refusal, known)
    if "secret" in refusal.reason:
        name = refusal.reason.rpartition(": ")[2]
        asked = f"{bootstrap.file.name} asks for it, line {bootstrap.line_of(name)}"
        return Problem(tls.file, tls.line("resources", 0, "name"), f"{refusal.reason}; {asked}: write one name in both")
    start = next((place for place, each in mappings(bootstrap.tree) if _is(refusal.root, each)), ())
    return _problem(bootstrap, start, (*start, *refusal.path), refusal, known)


def _problem(
    document: Document, place: Place, full: Place, refusal: Refusal, known: set[str], name: str = ""
) -> Problem:
    """At the field that Envoy names, at the word that it does not know, or else at the place it was asked about."""
    misspelt = refusal.reason.partition("no such field: ")[2].strip("'")
    line = document.line(*full, *([misspelt] if misspelt else [])) if misspelt or full else 0
    if full == place:
        line = next((at for word in refusal.words() if (at := document.line_of(word, *place))), line)
    text = worded(refusal, _value(document.tree, full), known)
    return Problem(document.file, line, f"{name}: {text}" if name else text)


def _is(root: str, mapping: dict[str, Any]) -> bool:
    return root == MANAGER and str(mapping.get(TYPE, "")).endswith(f".{root}")


def _after(path: Place, key: str, further: int) -> Place:
    return path[path.index(key) + further :]


def _value(tree: Tree, place: Place) -> Any:
    for step in place:
        if isinstance(tree, dict):
            tree = list(tree.values())[step] if isinstance(step, int) and step < len(tree) else tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree
