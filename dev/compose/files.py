"""Copies envoy/ for containers, with names of a container network in place of loopback addresses.

Only addresses differ. In envoy/ everything runs on one machine, so a sample backend or the rate limit service is a port
on loopback; in a network of containers each has a name. All other addresses stay as the platform team wrote them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.envoy.files import Engine, EnvoyFiles, replace

LOOPBACK = "127.0.0.1"
GRPC_SUFFIX = "_grpc"
SAMPLE_HTTP, SAMPLE_GRPC = 8080, 8081
RATELIMIT = "ratelimit"
RATELIMIT_PORT = 8081
STATS_PORT = 9902

Tree = Any  # YAML that `make check-envoy` has checked


@dataclass(frozen=True, slots=True)
class Address:
    """A name and a port in a container network."""

    host: str
    port: int


def write(source: EnvoyFiles, target: EnvoyFiles) -> None:
    """Write the files of Envoy and the rate limit service to `target`, by atomic moves. Raises OSError.

    Both use the shared engine (`authz limits render`): several Envoys, one count.
    """
    _replace(target.tls, source.tls.read_text("utf-8"))
    write_watched(source, target)
    _replace(target.started, of_bootstrap(source.started.read_text("utf-8")))


def write_watched(source: EnvoyFiles, target: EnvoyFiles) -> None:
    """Write what is loaded without a restart: limits, clusters, then the routes that need them. Raises OSError."""
    for file in (*_service_files(source), *source.limits):
        _replace(target.folder / file.relative_to(source.folder), file.read_text("utf-8"))
    kept = {file.name for file in (*_service_files(source), *source.limits)}
    for file in (*_service_files(target), *target.limits):
        if file.name not in kept:
            file.unlink()
    _replace(target.clusters, of_clusters(source.clusters.read_text("utf-8")))
    _replace(target.routes, source.routes.read_text("utf-8"))


def shared(folder: Path) -> EnvoyFiles:
    """Return a folder's files for the engine that containers use."""
    return EnvoyFiles(folder, Engine.SHARED)


def _service_files(files: EnvoyFiles) -> tuple[Path, ...]:
    return tuple(sorted((files.rendered / RATELIMIT).glob("*.yaml")))


def _replace(file: Path, text: str) -> None:
    """Replace a file only if it differs: a replaced file of limits makes Envoy count from zero."""
    if not file.is_file() or file.read_text("utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, text)


def of_clusters(text: str) -> str:
    """Return clusters.yaml with a sample backend's name in place of each loopback address."""
    tree: Tree = yaml.safe_load(text)
    return _dumped({**tree, "resources": [_moved(each, _sample) for each in tree["resources"]]})


def of_bootstrap(text: str) -> str:
    """Return the bootstrap with the rate limit service's name, and a port that shows only Envoy's statistics."""
    tree: Tree = yaml.safe_load(text)
    resources = tree["static_resources"]
    admin = tree["admin"]["address"]["socket_address"]["port_value"]
    clusters = [_moved(each, _service) for each in resources["clusters"]]
    static = {
        **resources,
        "listeners": [*resources["listeners"], _stats_listener()],
        "clusters": [*clusters, _cluster("admin", Address(LOOPBACK, admin), "STATIC")],
    }
    return _dumped({**tree, "static_resources": static})


def _sample(cluster: str) -> Address | None:
    service = cluster.removesuffix(GRPC_SUFFIX).replace("_", "-")
    return Address(service, SAMPLE_GRPC if cluster.endswith(GRPC_SUFFIX) else SAMPLE_HTTP)


def _service(cluster: str) -> Address | None:
    return Address(RATELIMIT, RATELIMIT_PORT) if cluster == RATELIMIT else None


def _moved(cluster: Tree, address_of: Callable[[str], Address | None]) -> Tree:
    moved_to = address_of(cluster["name"])
    if moved_to is None or not _is_on_loopback(cluster):
        return cluster
    return {**cluster, **_cluster(cluster["name"], moved_to, "STRICT_DNS")}


def _is_on_loopback(cluster: Tree) -> bool:
    addresses = list(_addresses(cluster))
    return bool(addresses) and all(address == LOOPBACK for address in addresses)


def _addresses(cluster: Tree) -> Iterator[str]:
    for locality in cluster.get("load_assignment", {}).get("endpoints", ()):
        for endpoint in locality["lb_endpoints"]:
            yield endpoint["endpoint"]["address"].get("socket_address", {}).get("address", "")


def _cluster(name: str, at: Address, kind: str) -> Mapping[str, Any]:
    address = {"socket_address": {"address": at.host, "port_value": at.port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": kind, "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _stats_listener() -> Tree:
    """Return a listener for one page of the admin interface, which itself can stop Envoy and stays on loopback."""
    route = {
        "match": {"path": "/stats/prometheus", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
        "route": {"cluster": "admin"},
    }
    extensions = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{extensions}.http.router.v3.Router"}}
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    return {
        "name": "stats",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": STATS_PORT}},  # noqa: S104  # a container's
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _dumped(tree: Tree) -> str:
    return yaml.safe_dump(tree, sort_keys=False, width=120, allow_unicode=True)
