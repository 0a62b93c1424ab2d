"""Finds routes that weaken authz although Envoy accepts them: filters off, a hidden backend, a label of another one."""

from collections.abc import Iterator
from typing import Any

from dev.envoy.documents import Document, KeyPath, Problem, Tree, mappings

AUTHZ = "envoy.filters.http.ext_authz"
FILTERS = "typed_per_filter_config"
NO_TIMEOUT = frozenset({"0s", "0.0s"})
MIRRORS = "request_mirror_policies"
LABEL = "backend_service"
CLUSTERS_LABEL = ("metadata", "filter_metadata", "cloud_connector", LABEL)
# No route may switch these off, by the filter's name or by the type of its settings.
REQUIRED_FILTERS = frozenset({AUTHZ, "envoy.filters.http.header_mutation"})
REQUIRED_TYPES = ("ExtAuthzPerRoute", ".FilterConfig")
UNCHECKED = {
    "cluster_header": "a header would choose the backend, but not the label; write cluster",
    "cluster_specifier_plugin": "these checks cannot see which backend it chooses; write cluster",
    "inline_cluster_specifier_plugin": "these checks cannot see which backend it chooses; write cluster",
    "cluster_specifier_plugins": "these checks cannot see which backend they choose; write cluster in each route",
    "matcher": "these checks do not read the routes in it; list them under routes",
    "vhds": "these checks do not read the hosts it loads; list them under virtual_hosts",
}
_LEVELS = (("resources", "route configuration"), ("virtual_hosts", "virtual host"), ("routes", "route"))


def problems(routes: Document) -> Iterator[Problem]:
    """Yield each setting that takes a request past authz or hides its backend, with its line and route."""
    for path, mapping in mappings(routes.tree):
        for key in sorted(UNCHECKED.keys() & mapping.keys()):
            yield _problem(routes, (*path, key), f"has {key}: {UNCHECKED[key]}")
        if MIRRORS in mapping and path[-1:] != ("route",):
            yield _problem(routes, (*path, MIRRORS), f"has {MIRRORS}; move it to a route, whose label can be compared")
        for name, settings in (mapping.get(FILTERS) or {}).items():
            yield from _weakened_filter(routes, (*path, FILTERS, name), settings)
    for path, route in forwarding(routes):
        action = route["route"]
        if "max_stream_duration" in action and action.get("timeout", "15s") not in NO_TIMEOUT:
            message = "has a timeout that Envoy ignores beside max_stream_duration; keep one (timeout: 0s)"
            yield _problem(routes, (*path, "route"), message)


def label_problems(routes: Document, clusters: Document) -> Iterator[Problem]:
    """Yield routes and clusters without a label, and routes whose label differs from that of their cluster."""
    backends: dict[str, object] = {}
    for number, cluster in enumerate(clusters.tree.get("resources") or ()):
        backend = backends[str(cluster.get("name"))] = _below(cluster, *CLUSTERS_LABEL)
        if not backend:
            message = f"cluster {cluster.get('name')} lacks {'.'.join(CLUSTERS_LABEL)}; name its backend"
            yield Problem(clusters.file, clusters.line("resources", number), message)
    for path, route in forwarding(routes):
        name = named(routes.tree, path)
        label = _label(route)
        if not label:
            message = f"{name} lacks context_extensions.{LABEL}, so authz would refuse its requests; name the backend"
            yield Problem(routes.file, routes.line(*path), message)
            continue
        for steps, cluster, settings in targets(route["route"]):
            expected = _label(settings) or label
            line = routes.line(*path, "route", *steps)
            if cluster not in backends:
                message = f"{name} leads to cluster {cluster}, which is not in {clusters.file.name}; add it there"
                yield Problem(routes.file, line, message)
            elif backends[cluster] not in {None, expected}:
                message = f"{name} has {LABEL} {expected}, but its cluster {cluster} has {backends[cluster]}"
                yield Problem(routes.file, line, f"{message}; correct the wrong one")


def targets(action: Tree) -> Iterator[tuple[KeyPath, str, dict[str, Any]]]:
    """Yield every cluster that may get a request or a copy of it: its path, its name, and the settings beside it."""
    if "cluster" in action:
        yield ("cluster",), str(action["cluster"]), {}
    for number, part in enumerate(_below(action, "weighted_clusters", "clusters") or ()):
        yield ("weighted_clusters", "clusters", number), str(part.get("name")), part
    for number, copy in enumerate(action.get(MIRRORS) or ()):
        yield (MIRRORS, number), str(copy.get("cluster")), {}


def forwarding(routes: Document) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield every route that leads to a backend, which a redirect and a direct response do not."""
    return ((path, route) for path, route in every(routes) if "route" in route)


def every(routes: Document) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield every route with its path in the file."""
    for number, configuration in enumerate(routes.tree.get("resources") or ()):
        for host_number, host in enumerate(configuration.get("virtual_hosts") or ()):
            for route_number, route in enumerate(host.get("routes") or ()):
                yield ("resources", number, "virtual_hosts", host_number, "routes", route_number), route


def named(tree: Tree, path: KeyPath) -> str:
    """Return kind and name of the route, host or configuration at or around this path."""
    name = "the file"
    for level, (key, kind) in enumerate(_LEVELS):
        steps = path[2 * level : 2 * level + 2]
        if len(steps) != 2 or steps[0] != key:  # noqa: PLR2004  # a key and an index
            break
        tree = tree[key][steps[1]]
        name = f"{kind} {tree.get('name')}"
    return name


def _weakened_filter(routes: Document, path: KeyPath, settings: Tree) -> Iterator[Problem]:
    """Look at every mapping in the settings, because Envoy unwraps nested ones."""
    name = str(path[-1])
    inside = [mapping for _, mapping in mappings(settings)]
    types = [str(mapping.get("@type", "")) for mapping in inside]
    if name not in REQUIRED_FILTERS and not any(each.endswith(REQUIRED_TYPES) for each in types):
        return
    if any(mapping.get("disabled") for mapping in inside):
        message = f"switches {name.rpartition('.')[2]} off, which protects the backend; remove disabled"
        yield _problem(routes, path, message)
    elif name == AUTHZ and not _only_labels(settings):
        message = "sets more for ext_authz than its label; keep ExtAuthzPerRoute, check_settings.context_extensions"
        yield _problem(routes, path, message)


def _only_labels(settings: Tree) -> bool:
    """Whether only the label is set: check_settings could also name another service to ask."""
    return (
        set(settings) <= {"@type", "disabled", "check_settings"}
        and str(settings.get("@type")).endswith("ExtAuthzPerRoute")
        and set(settings.get("check_settings") or ()) <= {"context_extensions"}
    )


def _problem(routes: Document, path: KeyPath, message: str) -> Problem:
    return Problem(routes.file, routes.line(*path), f"{named(routes.tree, path)} {message}")


def _label(holder: Tree) -> object:
    return _below(holder, FILTERS, AUTHZ, "check_settings", "context_extensions", LABEL)


def _below(tree: Tree, *path: str) -> Any:
    for key in path:
        tree = (tree or {}).get(key)
    return tree
