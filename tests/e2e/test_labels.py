"""What authz holds a request to is what gets it: `check` compares the labels of routes and clusters."""

from __future__ import annotations

from typing import Final

import pytest

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from tests.support.e2e.findings import findings
from tests.support.e2e.served import edit

LABEL: Final = "check_settings: {context_extensions: {backend_service: sast}}"
CLUSTER: Final = "        cluster: sast\n"
PER_ROUTE: Final = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
SPLIT: Final = """\
        weighted_clusters:
          clusters:
          - {name: sast, weight: 99}
          - {name: %s, weight: 1%s}
"""


@pytest.mark.parametrize(
    ("new", "cluster"),
    [
        ("        cluster: ai_gateway\n", "ai_gateway"),
        (SPLIT % ("ai_gateway", ""), "ai_gateway"),
        (f"{CLUSTER}        request_mirror_policies: [{{cluster: ai_gateway}}]\n", "ai_gateway"),
    ],
    ids=["route", "split", "mirror"],
)
def test_a_label_is_that_of_the_backend(files: EnvoyFiles, new: str, cluster: str) -> None:
    """2026-11-22: a token for one backend would have opened another."""
    edit(files.routes, [(CLUSTER, new)])
    assert findings(files) == [
        f"routes.yaml route sast is held to backend_service sast and leads to cluster {cluster} of ai_gateway; "
        "correct the one that is wrong"
    ]


def test_a_part_of_a_split_is_held_to_its_own_label(files: EnvoyFiles) -> None:
    """2026-11-22: what a part of a split says to ext_authz wins over its route."""
    label = f'{{"@type": {PER_ROUTE}, {LABEL.replace("sast", "ai_gateway")}}}'
    own = f", typed_per_filter_config: {{envoy.filters.http.ext_authz: {label}}}"
    edit(files.routes, [(CLUSTER, SPLIT % ("sast", own))])
    assert findings(files) == [
        "routes.yaml route sast is held to backend_service ai_gateway and leads to cluster sast of sast; "
        "correct the one that is wrong"
    ]


def test_a_route_leads_to_a_backend_and_not_to_authz(files: EnvoyFiles) -> None:
    """2026-11-22: Envoy knows the cluster of the bootstrap, too."""
    edit(files.routes, [(CLUSTER, "        cluster: authz\n")])
    assert findings(files) == ["routes.yaml route sast leads to cluster authz, not in clusters.yaml; add it there"]


def test_every_cluster_says_which_backend_it_is(files: EnvoyFiles) -> None:
    """2026-11-22: nothing tied a label to a cluster."""
    edit(files.clusters, [("  metadata: {filter_metadata: {cloud_connector: {backend_service: sast}}}\n", "")])
    assert findings(files) == [
        "clusters.yaml cluster sast lacks metadata.filter_metadata.cloud_connector.backend_service; "
        "name the backend that it is"
    ]


def test_what_leads_to_no_backend_needs_no_label_and_a_canary_needs_one(files: EnvoyFiles) -> None:
    harmless = """\
    - name: old
      match: {path: /old}
      redirect: {path_redirect: /sast}
    - name: robots
      match: {path: /robots.txt}
      direct_response: {status: 200}
"""
    first = "    - name: ai_stream\n      match: {path_separated_prefix: /ai/v1/chat}\n"
    edit(files.routes, [(first, f"{harmless}{first}"), (CLUSTER, SPLIT % ("sast", ""))])
    assert check(files) == ()
