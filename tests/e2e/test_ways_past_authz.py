"""Routes that Envoy accepts and that would lead past authz: `check` tells them, so that nobody applies them."""

from __future__ import annotations

import re
from typing import Final

import pytest

from dev.envoy.files import EnvoyFiles
from tests.support.e2e.findings import findings
from tests.support.e2e.served import edit

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
    ("old", "new", "whose"),
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
def test_authz_is_not_switched_off_at_any_depth(files: EnvoyFiles, old: str, new: str, whose: str) -> None:
    """2026-11-22: only `disabled` in a route's own ext_authz was seen; a split, a host or a wrapper hid it."""
    edit(files.routes, [(old, new)])
    found = findings(files)
    assert len(found) == 1, found
    assert re.fullmatch(rf"routes\.yaml {whose} switches (ext_authz|other) off, .*; remove disabled", found[0]), found


def test_the_last_word_on_headers_is_not_switched_off(files: EnvoyFiles) -> None:
    """2026-11-22: without it trailers and the client's own X-Forwarded-For would reach a backend."""
    edit(files.routes, [(HOSTS, f"{HOSTS}    {HEADERS_OFF}\n")])
    assert findings(files) == [
        "routes.yaml virtual host door switches header_mutation off, which guards the backend; remove disabled"
    ]


def test_a_route_does_not_choose_another_authz(files: EnvoyFiles) -> None:
    """2026-11-22: check_settings.grpc_service names who is asked instead, and nobody looked."""
    edit(files.routes, [(LABEL, LABEL.replace("check_settings: {", OTHER_AUTHZ))])
    assert findings(files) == [
        "routes.yaml route sast says more to ext_authz than its label; "
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
def test_no_key_hides_in_another_spelling(files: EnvoyFiles, file: str, key: str, spelt: str) -> None:
    """2026-11-22: Envoy takes camelCase keys, and what stood below one was not looked at."""
    edit(files.folder / file, [(f"{key}:", f"{spelt}:")])
    where = file.rpartition("/")[2]
    assert set(findings(files)) == {
        f"{where} key {spelt} is not snake_case, and hides what is below it from these checks; write {key}"
    }


def test_no_merged_piece_hides_a_key(files: EnvoyFiles) -> None:
    """2026-11-22: `<<` is read here and not by Envoy, so each would see other settings."""
    edit(files.routes, [(CLUSTER, "        <<: {cluster: sast}\n")])
    assert findings(files) == [
        "routes.yaml key << is not snake_case, and hides what is below it from these checks; "
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
def test_every_backend_is_named_where_its_label_is(files: EnvoyFiles, old: str, new: str, found: str) -> None:
    """2026-11-22: a header or a plugin could choose the backend under a label that stays the same."""
    edit(files.routes, [(old, new)])
    assert re.search(f"^routes.yaml {found}$", "\n".join(findings(files)), re.MULTILINE)
