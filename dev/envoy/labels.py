"""The label that authz holds a request to, and the backend that gets it: a route's label is its clusters' own."""

from collections.abc import Iterator
from typing import Any

from dev.envoy.routes import AUTHZ, FILTERS, MIRRORS, forwarding, named
from dev.envoy.yaml_lines import Document, Place, Problem, Tree

LABEL = "backend_service"
CLUSTERS_LABEL = ("metadata", "filter_metadata", "cloud_connector", LABEL)


def slips(routes: Document, clusters: Document) -> Iterator[Problem]:
    """Routes without a label or with another one than their cluster's, and clusters without one."""
    backends: dict[str, object] = {}
    for number, cluster in enumerate(clusters.tree.get("resources") or ()):
        backend = backends[str(cluster.get("name"))] = _below(cluster, *CLUSTERS_LABEL)
        if not backend:
            message = f"cluster {cluster.get('name')} lacks {'.'.join(CLUSTERS_LABEL)}; name the backend that it is"
            yield Problem(clusters.file, clusters.line("resources", number), message)
    for place, route in forwarding(routes):
        whose = named(routes.tree, place)
        label = _label(route)
        if not label:
            message = f"{whose} lacks context_extensions.{LABEL}, so authz would refuse all of it; name the backend"
            yield Problem(routes.file, routes.line(*place), message)
            continue
        for steps, cluster, own in targets(route["route"]):
            says = _label(own) or label
            line = routes.line(*place, "route", *steps)
            if cluster not in backends:
                message = f"{whose} leads to cluster {cluster}, not in {clusters.file.name}; add it there"
                yield Problem(routes.file, line, message)
            elif backends[cluster] not in {None, says}:
                message = f"{whose} is held to {LABEL} {says} and leads to cluster {cluster} of {backends[cluster]}"
                yield Problem(routes.file, line, f"{message}; correct the one that is wrong")


def targets(action: Tree) -> Iterator[tuple[Place, str, dict[str, Any]]]:
    """Every cluster that may get a request or a copy of it: where, its name, and what is said with it."""
    if "cluster" in action:
        yield ("cluster",), str(action["cluster"]), {}
    for number, part in enumerate(_below(action, "weighted_clusters", "clusters") or ()):
        yield ("weighted_clusters", "clusters", number), str(part.get("name")), part
    for number, copy in enumerate(action.get(MIRRORS) or ()):
        yield (MIRRORS, number), str(copy.get("cluster")), {}


def _label(holder: Tree) -> object:
    return _below(holder, FILTERS, AUTHZ, "check_settings", "context_extensions", LABEL)


def _below(tree: Tree, *path: str) -> Any:
    for key in path:
        tree = (tree or {}).get(key)
    return tree
