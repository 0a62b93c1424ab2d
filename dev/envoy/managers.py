"""What Envoy would accept in envoy.yaml and nobody can mean: a way in on which authz is not asked, or not heard."""

from collections.abc import Iterator
from typing import Any

from dev.envoy.inline import MANAGER, TYPE
from dev.envoy.routes import AUTHZ
from dev.envoy.yaml_lines import Document, Place, Problem, Tree, mappings

CHAIN = "http_filters"
# Each lets requests pass that authz has not allowed.
OPENINGS = ("filter_enabled", "filter_enabled_metadata", "shadow_mode")
UNCHECKED = ("route_config", "scoped_routes")


def slips(bootstrap: Document) -> tuple[Problem, ...]:
    """Each once, with its line; several listeners may share one manager."""
    found = (
        Problem(bootstrap.file, bootstrap.line(*place, *steps), message)
        for place, mapping in mappings(bootstrap.tree)
        if CHAIN in mapping or str(mapping.get(TYPE, "")).endswith(MANAGER)
        for steps, message in (*_of_manager(mapping), *_of_its_cluster(mapping, bootstrap.tree))
    )
    return tuple(dict.fromkeys(found))


def _of_manager(manager: Tree) -> Iterator[tuple[Place, str]]:
    for key in UNCHECKED:
        if key in manager:
            yield (key,), f"{key} holds routes that nobody checks; keep them in dynamic/routes.yaml (rds)"
    for number, upgrade in enumerate(manager.get("upgrade_configs") or ()):
        if upgrade.get("filters"):
            yield ("upgrade_configs", number), "an upgrade with filters of its own does not ask authz; remove filters"
    chain = manager.get(CHAIN) or []
    types = [str((each.get("typed_config") or {}).get(TYPE, "")).rpartition(".")[2] for each in chain]
    before_router = types[: types.index("Router")] if "Router" in types else types
    if "ExtAuthz" not in before_router:
        yield (CHAIN,), "no ext_authz before the router: anyone could reach the backends; put it there"
        return
    number = before_router.index("ExtAuthz")
    for message in _of_authz(chain[number]):
        yield (CHAIN, number), message


def _of_its_cluster(manager: Tree, bootstrap: Tree) -> Iterator[tuple[Place, str]]:
    """Envoy accepts a gRPC service in a cluster that nobody has, and then answers 503 to everything."""
    clusters = [each["name"] for each in bootstrap["static_resources"].get("clusters") or ()]
    for number, each in enumerate(manager.get(CHAIN) or ()):
        settings = each.get("typed_config") or {}
        asked = ((settings.get("grpc_service") or {}).get("envoy_grpc") or {}).get("cluster_name")
        if asked is not None and asked not in clusters:
            place = (CHAIN, number, "typed_config", "grpc_service", "envoy_grpc", "cluster_name")
            has = ", ".join(clusters) or "none"
            yield (
                place,
                f"{each['name']} asks cluster {asked}, and static_resources.clusters has {has}; write one of them",
            )


def _of_authz(authz: dict[str, Any]) -> Iterator[str]:
    settings = authz["typed_config"]
    if authz.get("name") != AUTHZ:
        yield f"ext_authz has another name, so no route's label would reach it; name it {AUTHZ}"
    if authz.get("disabled"):
        yield "ext_authz is switched off: anyone could reach the backends; remove disabled"
    if settings.get("failure_mode_allow") is not False:
        yield "ext_authz lets requests in when authz does not answer; write failure_mode_allow: false"
    for key in OPENINGS:
        if settings.get(key):
            yield f"ext_authz lets requests in unasked where {key} says so; remove it"
