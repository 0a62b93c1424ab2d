"""Finds HTTP connection managers in envoy.yaml that do not ask authz, or ignore its answer. Envoy accepts them."""

from collections.abc import Iterator
from typing import Any

from dev.envoy.documents import MANAGER, TYPE, Document, KeyPath, Problem, Tree, mappings
from dev.envoy.routes import AUTHZ

CHAIN = "http_filters"
# Each lets requests pass that authz has not allowed.
BYPASSES = ("filter_enabled", "filter_enabled_metadata", "shadow_mode")
UNCHECKED = ("route_config", "scoped_routes")


def problems(bootstrap: Document) -> tuple[Problem, ...]:
    """Return each problem once with its line, also if several listeners share one manager."""
    found = (
        Problem(bootstrap.file, bootstrap.line(*path, *steps), message)
        for path, mapping in mappings(bootstrap.tree)
        if CHAIN in mapping or str(mapping.get(TYPE, "")).endswith(MANAGER)
        for steps, message in (*_of_manager(mapping), *_of_its_cluster(mapping, bootstrap.tree))
    )
    return tuple(dict.fromkeys(found))


def _of_manager(manager: Tree) -> Iterator[tuple[KeyPath, str]]:
    for key in UNCHECKED:
        if key in manager:
            yield (key,), f"{key} holds routes that these checks do not read; move them to dynamic/routes.yaml (rds)"
    for number, upgrade in enumerate(manager.get("upgrade_configs") or ()):
        if upgrade.get("filters"):
            yield ("upgrade_configs", number), "an upgrade with filters of its own does not ask authz; remove filters"
    chain = manager.get(CHAIN) or []
    types = [str((each.get("typed_config") or {}).get(TYPE, "")).rpartition(".")[2] for each in chain]
    before_router = types[: types.index("Router")] if "Router" in types else types
    if "ExtAuthz" not in before_router:
        yield (CHAIN,), "no ext_authz before the router: every client could reach the backends; put it there"
        return
    number = before_router.index("ExtAuthz")
    for message in _of_authz(chain[number]):
        yield (CHAIN, number), message


def _of_its_cluster(manager: Tree, bootstrap: Tree) -> Iterator[tuple[KeyPath, str]]:
    """Yield gRPC services in unknown clusters: Envoy accepts them, then answers 503 to everything."""
    clusters = [each["name"] for each in bootstrap["static_resources"].get("clusters") or ()]
    for number, each in enumerate(manager.get(CHAIN) or ()):
        settings = each.get("typed_config") or {}
        asked = ((settings.get("grpc_service") or {}).get("envoy_grpc") or {}).get("cluster_name")
        if asked is not None and asked not in clusters:
            path = (CHAIN, number, "typed_config", "grpc_service", "envoy_grpc", "cluster_name")
            known = ", ".join(clusters) or "none"
            yield (
                path,
                f"{each['name']} asks cluster {asked}, but static_resources.clusters has {known}; write one",
            )


def _of_authz(authz: dict[str, Any]) -> Iterator[str]:
    settings = authz["typed_config"]
    if authz.get("name") != AUTHZ:
        yield f"ext_authz has another name, so it would get no route's label; name it {AUTHZ}"
    if authz.get("disabled"):
        yield "ext_authz is switched off: every client could reach the backends; remove disabled"
    if settings.get("failure_mode_allow") is not False:
        yield "ext_authz allows requests when authz does not answer; write failure_mode_allow: false"
    for key in BYPASSES:
        if settings.get(key):
            yield f"ext_authz allows requests without asking authz, as {key} says; remove it"
