"""What Envoy would accept in routes.yaml and nobody can mean: authz off, a backend unseen, a timeout it ignores."""

from collections.abc import Iterator
from typing import Any

from dev.envoy.yaml_lines import Document, Place, Problem, Tree, mappings

AUTHZ = "envoy.filters.http.ext_authz"
FILTERS = "typed_per_filter_config"
NO_TIMEOUT = frozenset({"0s", "0.0s"})
MIRRORS = "request_mirror_policies"
# Filters that no route may switch off, by name or by the type of what a route says to them.
GUARDS = frozenset({AUTHZ, "envoy.filters.http.header_mutation"})
GUARD_TYPES = ("ExtAuthzPerRoute", ".FilterConfig")
UNSEEN = {
    "cluster_header": "a header would choose the backend, under a label that stays; write cluster",
    "cluster_specifier_plugin": "nothing here says which backend it chooses; write cluster",
    "inline_cluster_specifier_plugin": "nothing here says which backend it chooses; write cluster",
    "cluster_specifier_plugins": "nothing here says which backend they choose; write cluster in each route",
    "matcher": "nobody checks the routes in it; list them under routes",
    "vhds": "nobody checks what it brings; list the hosts under virtual_hosts",
}
_LEVELS = (("resources", "route configuration"), ("virtual_hosts", "virtual host"), ("routes", "route"))


def slips(routes: Document) -> Iterator[Problem]:
    """Each with its line, and with the route, host or configuration it is in."""
    for place, mapping in mappings(routes.tree):
        for key in sorted(UNSEEN.keys() & mapping.keys()):
            yield _problem(routes, (*place, key), f"has {key}: {UNSEEN[key]}")
        if MIRRORS in mapping and place[-1:] != ("route",):
            yield _problem(routes, (*place, MIRRORS), f"has {MIRRORS}: say it in a route, which has a label to fit")
        for name, settings in (mapping.get(FILTERS) or {}).items():
            yield from _guard_stands(routes, (*place, FILTERS, name), settings)
    for place, route in forwarding(routes):
        action = route["route"]
        if "max_stream_duration" in action and action.get("timeout", "15s") not in NO_TIMEOUT:
            message = "has a timeout that Envoy ignores beside max_stream_duration; keep one (timeout: 0s)"
            yield _problem(routes, (*place, "route"), message)


def forwarding(routes: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every route that leads to a backend; a redirect and a direct response do not."""
    return ((place, route) for place, route in every(routes) if "route" in route)


def every(routes: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every route, and where it stands."""
    for number, configuration in enumerate(routes.tree.get("resources") or ()):
        for host_number, host in enumerate(configuration.get("virtual_hosts") or ()):
            for route_number, route in enumerate(host.get("routes") or ()):
                yield ("resources", number, "virtual_hosts", host_number, "routes", route_number), route


def named(tree: Tree, place: Place) -> str:
    """The route, host or configuration that a place is in."""
    name = "the file"
    for level, (key, kind) in enumerate(_LEVELS):
        steps = place[2 * level : 2 * level + 2]
        if len(steps) != 2 or steps[0] != key:  # noqa: PLR2004  # a key and an index
            break
        tree = tree[key][steps[1]]
        name = f"{kind} {tree.get('name')}"
    return name


def _guard_stands(routes: Document, place: Place, settings: Tree) -> Iterator[Problem]:
    """No wrapper hides it: whatever is below the filter's name, or of its type, is looked through to the bottom."""
    name = str(place[-1])
    inside = [mapping for _, mapping in mappings(settings)]
    types = [str(mapping.get("@type", "")) for mapping in inside]
    if name not in GUARDS and not any(each.endswith(GUARD_TYPES) for each in types):
        return
    if any(mapping.get("disabled") for mapping in inside):
        message = f"switches {name.rpartition('.')[2]} off, which guards the backend; remove disabled"
        yield _problem(routes, place, message)
    elif name == AUTHZ and not _only_labels(settings):
        message = "says more to ext_authz than its label; keep ExtAuthzPerRoute, check_settings.context_extensions"
        yield _problem(routes, place, message)


def _only_labels(settings: Tree) -> bool:
    """True where authz stays who it is: check_settings could also name another service to ask."""
    return (
        set(settings) <= {"@type", "disabled", "check_settings"}
        and str(settings.get("@type")).endswith("ExtAuthzPerRoute")
        and set(settings.get("check_settings") or ()) <= {"context_extensions"}
    )


def _problem(routes: Document, place: Place, message: str) -> Problem:
    return Problem(routes.file, routes.line(*place), f"{named(routes.tree, place)} {message}")
