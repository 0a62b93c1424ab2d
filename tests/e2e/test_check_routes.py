"""`check` refuses routes that Envoy accepts but that weaken authz, and routes with the label of another backend."""

import re
from typing import Final

import pytest

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from tests.support.e2e.envoy_problems import problems
from tests.support.e2e.processes import edit

LABEL: Final = "check_settings: {context_extensions: {backend_service: sast}}"
CLUSTER: Final = "        cluster: sast\n"
HOSTS: Final = '  - name: door\n    domains: ["*"]\n'
PER_ROUTE: Final = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
WRAPPER: Final = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
OFF: Final = f'typed_per_filter_config: {{envoy.filters.http.ext_authz: {{"@type": {PER_ROUTE}, disabled: true}}}}'
WRAPPED_OFF: Final = (
    f'typed_per_filter_config: {{envoy.filters.http.ext_authz: {{"@type": {WRAPPER}, disabled: true}}}}'
)
OFF_IN_WRAPPER: Final = (
    f'typed_per_filter_config: {{envoy.filters.http.ext_authz: {{"@type": {WRAPPER}, '
    f'config: {{"@type": {PER_ROUTE}, disabled: true}}}}}}'
)
HEADERS_OFF: Final = (
    f'typed_per_filter_config: {{envoy.filters.http.header_mutation: {{"@type": {WRAPPER}, disabled: true}}}}'
)
OTHER_AUTHZ: Final = "check_settings: {grpc_service: {envoy_grpc: {cluster_name: sast}}, "
SPLIT: Final = """\
        weighted_clusters:
          clusters:
          - {name: sast, weight: 99}
          - {name: %s, weight: 1%s}
"""
MATCHER: Final = """\
    matcher:
      on_no_match:
        action:
          name: route
          typed_config:
            "@type": type.googleapis.com/envoy.config.route.v3.Route
            match: {prefix: /}
            route: {cluster: sast}
    routes: []
  - name: old
    domains: [old.example]
"""
LUA: Final = """\
        inline_cluster_specifier_plugin:
          extension:
            name: lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig
              source_code: {inline_string: "function envoy_on_route(handle) return 'sast' end"}
              default_cluster: sast
"""


@pytest.mark.parametrize(
    ("old", "new", "resource"),
    [
        (LABEL, f'{LABEL}\n        other: {{"@type": {PER_ROUTE}, disabled: true}}', "route sast"),
        (CLUSTER, SPLIT % ("sast", f", {OFF}"), "route sast"),
        (CLUSTER, SPLIT % ("sast", f", {WRAPPED_OFF}"), "route sast"),
        (HOSTS, f"{HOSTS}    {OFF}\n", "virtual host door"),
        (HOSTS, f"{HOSTS}    {WRAPPED_OFF}\n", "virtual host door"),
        (HOSTS, f"{HOSTS}    {OFF_IN_WRAPPER}\n", "virtual host door"),
        ("  validate_clusters: true", f"  validate_clusters: true\n  {OFF_IN_WRAPPER}", "route configuration door"),
        ("  validate_clusters: true", f"  validate_clusters: true\n  {WRAPPED_OFF}", "route configuration door"),
    ],
    ids=[
        "type",
        "split",
        "wrapper in a split",
        "host",
        "wrapper",
        "wrapped",
        "configuration, wrapped",
        "configuration",
    ],
)
def test_authz_is_not_switched_off_at_any_depth(files: EnvoyFiles, old: str, new: str, resource: str) -> None:
    """2026-11-22: only `disabled` in a route's own ext_authz was seen; a split, a host or a wrapper hid it."""
    edit(files.routes, [(old, new)])
    found = problems(files)
    assert len(found) == 1, found
    assert re.fullmatch(rf"routes\.yaml {resource} switches (ext_authz|other) off, .*; remove disabled", found[0]), (
        found
    )


def test_no_route_switches_off_the_filter_that_removes_headers(files: EnvoyFiles) -> None:
    """2026-11-22: without it trailers and the client's own X-Forwarded-For would reach a backend."""
    edit(files.routes, [(HOSTS, f"{HOSTS}    {HEADERS_OFF}\n")])
    assert problems(files) == [
        "routes.yaml virtual host door switches header_mutation off, which protects the backend; remove disabled"
    ]


def test_a_route_does_not_choose_another_authz(files: EnvoyFiles) -> None:
    """2026-11-22: check_settings.grpc_service names another service to ask, and was not checked."""
    edit(files.routes, [(LABEL, LABEL.replace("check_settings: {", OTHER_AUTHZ))])
    assert problems(files) == [
        "routes.yaml route sast sets more for ext_authz than its label; "
        "keep ExtAuthzPerRoute, check_settings.context_extensions"
    ]


@pytest.mark.parametrize(
    ("file", "key", "spelt"),
    [
        ("dynamic/routes.yaml", "virtual_hosts", "virtualHosts"),
        ("dynamic/routes.yaml", "typed_per_filter_config", "typedPerFilterConfig"),
        ("dynamic/clusters.yaml", "filter_metadata", "filterMetadata"),
        ("envoy.yaml", "failure_mode_allow", "failureModeAllow"),
    ],
)
def test_a_key_in_camel_case_is_refused(files: EnvoyFiles, file: str, key: str, spelt: str) -> None:
    """2026-11-22: Envoy accepts camelCase keys, and what stood below one was not checked."""
    edit(files.folder / file, [(f"{key}:", f"{spelt}:")])
    where = file.rpartition("/")[2]
    assert set(problems(files)) == {
        f"{where} key {spelt} is not snake_case, so these checks would miss what is below it; write {key}"
    }


def test_a_yaml_merge_key_is_refused(files: EnvoyFiles) -> None:
    """2026-11-22: `<<` is merged by these checks but not by Envoy, so they would read different settings."""
    edit(files.routes, [(CLUSTER, "        <<: {cluster: sast}\n")])
    assert problems(files) == [
        "routes.yaml key << is not snake_case, so these checks would miss what is below it; "
        "write out what it stands for"
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (CLUSTER, "        cluster_header: x-backend\n", "route sast has cluster_header: .*; write cluster"),
        (
            CLUSTER,
            "        weighted_clusters: {clusters: [{cluster_header: x-backend, weight: 1}]}\n",
            "route sast has cluster_header: .*; write cluster",
        ),
        (CLUSTER, LUA, "route sast has inline_cluster_specifier_plugin: .*; write cluster"),
        (HOSTS, f"{HOSTS}{MATCHER}", "virtual host door has matcher: .*; list them under routes"),
        (
            HOSTS,
            f"{HOSTS}    request_mirror_policies: [{{cluster: sast}}]\n",
            "virtual host door has request_mirror_.*",
        ),
    ],
    ids=["cluster_header", "cluster_header in a split", "plugin", "matcher", "mirror of a host"],
)
def test_a_route_names_its_backend_itself(files: EnvoyFiles, old: str, new: str, found: str) -> None:
    """2026-11-22: a header or a plugin could choose the backend under a label that stays the same."""
    edit(files.routes, [(old, new)])
    assert re.search(f"^routes.yaml {found}$", "\n".join(problems(files)), re.MULTILINE)


@pytest.mark.parametrize(
    ("new", "cluster"),
    [
        ("        cluster: ai_gateway\n", "ai_gateway"),
        (SPLIT % ("ai_gateway", ""), "ai_gateway"),
        (f"{CLUSTER}        request_mirror_policies: [{{cluster: ai_gateway}}]\n", "ai_gateway"),
    ],
    ids=["route", "split", "mirror"],
)
def test_a_routes_label_is_that_of_its_cluster(files: EnvoyFiles, new: str, cluster: str) -> None:
    """2026-11-22: a token for one backend would have opened another."""
    edit(files.routes, [(CLUSTER, new)])
    assert problems(files) == [
        f"routes.yaml route sast has backend_service sast, but its cluster {cluster} has ai_gateway; "
        "correct the wrong one"
    ]


def test_a_part_of_a_split_may_have_its_own_label_and_that_is_compared(files: EnvoyFiles) -> None:
    """2026-11-22: the ext_authz settings of a part of a split win over its route's."""
    label = f'{{"@type": {PER_ROUTE}, {LABEL.replace("sast", "ai_gateway")}}}'
    own = f", typed_per_filter_config: {{envoy.filters.http.ext_authz: {label}}}"
    edit(files.routes, [(CLUSTER, SPLIT % ("sast", own))])
    assert problems(files) == [
        "routes.yaml route sast has backend_service ai_gateway, but its cluster sast has sast; correct the wrong one"
    ]


def test_a_route_may_lead_only_to_clusters_of_clusters_yaml(files: EnvoyFiles) -> None:
    """2026-11-22: Envoy accepts a cluster of the bootstrap, too."""
    edit(files.routes, [(CLUSTER, "        cluster: authz\n")])
    assert problems(files) == [
        "routes.yaml route sast leads to cluster authz, which is not in clusters.yaml; add it there"
    ]


def test_every_cluster_has_a_label(files: EnvoyFiles) -> None:
    """2026-11-22: nothing tied a label to a cluster."""
    edit(files.clusters, [("  metadata: {filter_metadata: {cloud_connector: {backend_service: sast}}}\n", "")])
    assert problems(files) == [
        "clusters.yaml cluster sast lacks metadata.filter_metadata.cloud_connector.backend_service; name its backend"
    ]


def test_a_redirect_needs_no_label_and_a_canary_is_accepted(files: EnvoyFiles) -> None:
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
