"""Checks the keys and types that every other check relies on."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from authz.documents.hints import nearest
from dev.envoy.documents import MANAGER, TYPE, Document, KeyPath, Problem, Tree, mappings

REQUIRED: Final = "!"  # at the end of a key that must be present
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


def problems(tls: Document, clusters: Document, routes: Document, bootstrap: Document) -> tuple[Problem, ...]:
    """Return each missing key and wrong type; only without any can the other checks read the files."""
    schemas = ((tls, TLS), (clusters, CLUSTERS), (routes, ROUTES), (bootstrap, BOOTSTRAP))
    found = [each for document, schema in schemas for each in _problems(document, (), document.tree, schema)]
    for path, mapping in mappings(bootstrap.tree):
        if str(mapping.get(TYPE, "")).endswith(MANAGER):
            found += _problems(bootstrap, path, mapping, _MANAGER)
    return tuple(
        dict.fromkeys(found or (*_same_names(clusters), *_same_names(routes), *_missing_routes(routes, bootstrap)))
    )


def _problems(document: Document, path: KeyPath, tree: Tree, schema: Any) -> Iterator[Problem]:
    line = document.line(*path)
    name = str(path[-1]) if path and isinstance(path[-1], str) else "this entry"
    if isinstance(schema, Mapping):
        if not isinstance(tree, dict):
            yield Problem(document.file, line, f"{name} must be a mapping; indent its keys below it")
            return
        for key, below in schema.items():
            bare = key.removesuffix(REQUIRED)
            if bare in tree:
                yield from _problems(document, (*path, bare), tree[bare], below)
            elif key != bare:
                yield _missing(document, path, tree, bare)
    elif isinstance(schema, list):
        if not isinstance(tree, list):
            yield Problem(document.file, line, f"{name} must be a list; begin each entry with a dash")
            return
        for number, item in enumerate(tree):
            yield from _problems(document, (*path, number), item, schema[0])
    elif isinstance(schema, str):
        if tree != schema:
            yield Problem(document.file, line, f"{name} is {tree}; write {schema}")
    elif type(tree) is not schema:
        kind = "a number" if schema is int else "text"
        yield Problem(document.file, line, f"{name}: {tree} is not {kind}; write {kind}")


def _missing(document: Document, path: KeyPath, tree: Mapping[str, Any], key: str) -> Problem:
    near = nearest(key, map(str, tree))
    if near is not None:
        return Problem(document.file, document.line(*path, near), f"{near} is not a key here; write {key}")
    inside = next((f" in {step}" for step in reversed(path) if isinstance(step, str)), "")
    return Problem(document.file, document.line(*path), f"{key} is missing{inside}; add it")


def _same_names(document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, each in enumerate(document.tree["resources"]):
        if each["name"] in seen:
            line = document.line("resources", number, "name")
            yield Problem(document.file, line, f"the name {each['name']} is used twice; give this one another")
        seen.add(each["name"])


def _missing_routes(routes: Document, bootstrap: Document) -> Iterator[Problem]:
    """Yield connection managers that ask for routes of an unknown name: they would answer 404 to everything."""
    names = [each["name"] for each in routes.tree["resources"]]
    for path, mapping in mappings(bootstrap.tree):
        asked = mapping["rds"]["route_config_name"] if "rds" in mapping and TYPE in mapping else None
        if asked is not None and asked not in names:
            asking = (
                f"{bootstrap.file.name} asks for {asked} (line {bootstrap.line(*path, 'rds', 'route_config_name')})"
            )
            message = f"the routes here are {', '.join(names) or 'none'}, but {asking}; write one name in both"
            yield Problem(routes.file, routes.line("resources", 0, "name"), message)
