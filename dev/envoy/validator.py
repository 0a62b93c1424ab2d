"""Asks the real Envoy whether it accepts a configuration: all files in one bootstrap, so that it reads all of them."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev import certificate
from dev.envoy.documents import MANAGER, TYPE, Document, Tree, mappings
from dev.envoy.program import binary
from dev.envoy.refusal import Refusal, parse

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Configuration:
    """The four parsed files that people edit."""

    tls: Document
    clusters: Document
    routes: Document
    bootstrap: Document

    def words(self) -> set[str]:
        """Return every key and plain value of all files."""
        return {word for each in (self.tls, self.clusters, self.routes, self.bootstrap) for word in each.words()}


class Validator:
    """Runs `envoy --mode validate`, about 0.2 s each time."""

    def __init__(self, scratch: Path) -> None:
        self._bootstrap = scratch / "inlined.json"
        made = certificate.ensure(scratch, datetime.now(UTC))
        self._certificate = {"certificate_chain": made.chain.read_text(), "private_key": made.key.read_text()}

    def refusal(self, asked: Configuration, *limits: Document) -> Refusal | None:
        """Return why Envoy refuses it, or None. Raises MissingBinaryError."""
        trees = (asked.bootstrap.tree, asked.clusters.tree, asked.routes.tree, asked.tls.tree)
        filters = {each["name"]: each["typed_config"] for limit in limits for each in limit.tree["resources"]}
        self._bootstrap.write_text(_inlined(*trees, self._certificate, filters), "utf-8")
        command = [str(binary()), "--mode", "validate", "--config-path", str(self._bootstrap), "--disable-hot-restart"]
        run = subprocess.run(
            [*command, "--log-level", "error"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        return parse(run.stderr) if run.returncode else None


def _inlined(
    bootstrap: Tree,
    clusters: Tree,
    routes: Tree,
    tls: Tree,
    certificate: Mapping[str, str],
    filters: Mapping[str, Tree],
) -> str:
    """Return the bootstrap as JSON, with the content of each file in place of the subscription to it.

    `filters` are the limits, by the name of the filter that waits for each. `certificate` (keys certificate_chain and
    private_key, PEM) replaces the certificate's files, which need not exist yet. Raises KeyError, TypeError or
    AttributeError if a file does not have the shape of Envoy's.
    """
    whole = json.loads(json.dumps(bootstrap))  # a copy in which nothing is shared
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
    """Drop the reference to the endpoints' file, which exists only while the service runs."""
    if "eds_cluster_config" not in cluster:
        return dict(cluster)
    return {key: value for key, value in cluster.items() if key != "eds_cluster_config"} | {"type": "STATIC"}


def _untyped(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != TYPE}


def _with_certificate(secret: dict[str, Any], certificate: Mapping[str, str]) -> dict[str, Any]:
    pair = {key: value for key, value in secret["tls_certificate"].items() if key != "watched_directory"}
    return {**secret, "tls_certificate": {**pair, **{key: {"inline_string": pem} for key, pem in certificate.items()}}}
