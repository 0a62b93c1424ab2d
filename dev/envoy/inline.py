"""One bootstrap out of a whole configuration: routes, clusters and certificate inlined, so Envoy checks all of it."""

import json
from collections.abc import Mapping
from typing import Any

from dev.envoy.yaml_lines import Tree, mappings

TYPE = "@type"
MANAGER = "HttpConnectionManager"
_NO_FILTERS: Mapping[str, Tree] = {}


def inlined(
    bootstrap: Tree,
    clusters: Tree,
    routes: Tree,
    tls: Tree,
    certificate: Mapping[str, str],
    filters: Mapping[str, Tree] = _NO_FILTERS,
) -> str:
    """The bootstrap as JSON, every subscription to a file replaced by what the file holds.

    `filters` are the limits, by the name of the place in the chain that waits for each; `certificate` (keys
    certificate_chain and private_key, PEM) stands in for the files of the certificate, which need not exist yet.
    Raises KeyError, TypeError or AttributeError where the files have not even the outline of Envoy's.
    """
    whole = json.loads(json.dumps(bootstrap))  # a copy without shared pieces
    whole.get("dynamic_resources", {}).pop("cds_config", None)
    static = whole["static_resources"]
    own = (_without_endpoints(each) for each in static.get("clusters", []))
    static["clusters"] = [*own, *map(_untyped, clusters["resources"])]
    static["secrets"] = [_with_certificate(_untyped(each), certificate) for each in tls["resources"]]
    by_name = {each["name"]: _untyped(each) for each in routes["resources"]}
    for _, mapping in mappings(static["listeners"]):
        if str(mapping.get(TYPE, "")).endswith(MANAGER) and "rds" in mapping:
            mapping["route_config"] = by_name[mapping.pop("rds")["route_config_name"]]
        if "config_discovery" in mapping:
            mapping.pop("config_discovery")
            mapping["typed_config"] = filters[mapping["name"]]
        for secret in mapping.get("tls_certificate_sds_secret_configs", []):
            secret.pop("sds_config", None)
    return json.dumps(whole)


def _without_endpoints(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster whose endpoints a file will hold once the service runs."""
    if "eds_cluster_config" not in cluster:
        return dict(cluster)
    return {key: value for key, value in cluster.items() if key != "eds_cluster_config"} | {"type": "STATIC"}


def _untyped(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != TYPE}


def _with_certificate(secret: dict[str, Any], certificate: Mapping[str, str]) -> dict[str, Any]:
    pair = {key: value for key, value in secret["tls_certificate"].items() if key != "watched_directory"}
    return {**secret, "tls_certificate": {**pair, **{key: {"inline_string": pem} for key, pem in certificate.items()}}}
