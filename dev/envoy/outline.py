"""The outline that every other check walks along: which keys must be there, and what kind of value they hold."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from authz.documents.hints import nearest
from dev.envoy.inline import MANAGER, TYPE
from dev.envoy.yaml_lines import Document, Place, Problem, Tree, mappings

NEEDED: Final = "!"  # at the end of a key that must be there
_EXTENSIONS: Final[Mapping[str, Any]] = {"envoy.filters.http.ext_authz": {"check_settings": {"context_extensions": {}}}}
_FILTERS: Final[Mapping[str, Any]] = {"typed_per_filter_config": _EXTENSIONS}
_SPLIT: Final[Mapping[str, Any]] = {"clusters": [{"name": str, **_FILTERS}]}
_ROUTE: Final[Mapping[str, Any]] = {
    **_FILTERS,
    "match": {},
    "route": {"cluster": str, "weighted_clusters": _SPLIT, "request_mirror_policies": [{"cluster": str}]},
}
_HOST: Final[Mapping[str, Any]] = {"name!": str, **_FILTERS, "routes!": [_ROUTE]}
_METADATA: Final[Mapping[str, Any]] = {"filter_metadata": {"cloud_connector": {}}}
_LISTENER: Final[Mapping[str, Any]] = {"filter_chains": [{"filters": [{"typed_config": {}}]}]}
_PACKAGE: Final = "type.googleapis.com/envoy."
ROUTES: Final[Mapping[str, Any]] = {
    "resources!": [
        {
            f"{TYPE}!": f"{_PACKAGE}config.route.v3.RouteConfiguration",
            "name!": str,
            **_FILTERS,
            "virtual_hosts!": [_HOST],
        }
    ]
}
CLUSTERS: Final[Mapping[str, Any]] = {
    "resources!": [{f"{TYPE}!": f"{_PACKAGE}config.cluster.v3.Cluster", "name!": str, "metadata": _METADATA}]
}
TLS: Final[Mapping[str, Any]] = {
    "resources!": [
        {
            f"{TYPE}!": f"{_PACKAGE}extensions.transport_sockets.tls.v3.Secret",
            "name!": str,
            "tls_certificate!": {},
        }
    ]
}
BOOTSTRAP: Final[Mapping[str, Any]] = {
    "admin!": {"address!": {"socket_address!": {"port_value!": int}}},
    "dynamic_resources!": {"cds_config!": {}},
    "static_resources!": {"listeners!": [_LISTENER], "clusters": [{"name!": str}]},
}
_MANAGER: Final[Mapping[str, Any]] = {
    "rds": {"route_config_name!": str},
    "http_filters": [{"name!": str, "typed_config": {}}],
    "upgrade_configs": [{}],
}


def slips(tls: Document, clusters: Document, routes: Document, bootstrap: Document) -> tuple[Problem, ...]:
    """What would lead the other checks astray, each with its line; empty: they may walk."""
    outlines = ((tls, TLS), (clusters, CLUSTERS), (routes, ROUTES), (bootstrap, BOOTSTRAP))
    found = [each for document, outline in outlines for each in _problems(document, (), document.tree, outline)]
    for place, mapping in mappings(bootstrap.tree):
        if str(mapping.get(TYPE, "")).endswith(MANAGER):
            found += _problems(bootstrap, place, mapping, _MANAGER)
    return tuple(dict.fromkeys(found or [*_same_names(clusters), *_same_names(routes), *_unserved(routes, bootstrap)]))


def _problems(document: Document, place: Place, tree: Tree, outline: Any) -> Iterator[Problem]:
    line = document.line(*place)
    name = str(place[-1]) if place and isinstance(place[-1], str) else "this entry"
    if isinstance(outline, Mapping):
        if not isinstance(tree, dict):
            yield Problem(document.file, line, f"{name} must hold keys and values, indented below it")
            return
        for key, below in outline.items():
            bare = key.removesuffix(NEEDED)
            if bare in tree:
                yield from _problems(document, (*place, bare), tree[bare], below)
            elif key != bare:
                yield _missing(document, place, tree, bare)
    elif isinstance(outline, list):
        if not isinstance(tree, list):
            yield Problem(document.file, line, f"{name} must hold a list, one entry a dash")
            return
        for number, item in enumerate(tree):
            yield from _problems(document, (*place, number), item, outline[0])
    elif isinstance(outline, str):
        if tree != outline:
            yield Problem(document.file, line, f"{name} is {tree}; write {outline}")
    elif type(tree) is not outline:
        yield Problem(document.file, line, f"{name}: {tree} is no {'number' if outline is int else 'text'}; write one")


def _missing(document: Document, place: Place, tree: Mapping[str, Any], key: str) -> Problem:
    near = nearest(key, map(str, tree))
    if near is not None:
        return Problem(document.file, document.line(*place, near), f"{near} stands where {key} is needed; write {key}")
    inside = next((f" in {step}" for step in reversed(place) if isinstance(step, str)), "")
    return Problem(document.file, document.line(*place), f"{key} is missing{inside}; add it")


def _same_names(document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, each in enumerate(document.tree["resources"]):
        if each["name"] in seen:
            line = document.line("resources", number, "name")
            yield Problem(document.file, line, f"a second one with the name {each['name']}; give it one of its own")
        seen.add(each["name"])


def _unserved(routes: Document, bootstrap: Document) -> Iterator[Problem]:
    """A manager that waits for routes of a name that nobody has: it would answer 404 to everything."""
    names = [each["name"] for each in routes.tree["resources"]]
    for place, mapping in mappings(bootstrap.tree):
        asked = mapping["rds"]["route_config_name"] if "rds" in mapping and TYPE in mapping else None
        if asked is not None and asked not in names:
            asking = (
                f"{bootstrap.file.name} asks for {asked} (line {bootstrap.line(*place, 'rds', 'route_config_name')})"
            )
            message = f"the routes here are {', '.join(names) or 'none'}, and {asking}; write one name in both"
            yield Problem(routes.file, routes.line("resources", 0, "name"), message)
