"""`check` refuses a bootstrap in which Envoy would not ask authz, or would ignore its answer."""

from typing import Final

import pytest

from dev.envoy.files import EnvoyFiles
from tests.support.e2e.envoy_problems import problems
from tests.support.e2e.processes import edit

AUTHZ: Final = "          - name: envoy.filters.http.ext_authz\n"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("failure_mode_allow: false ", "failure_mode_allow: true ", "write failure_mode_allow: false"),
        ("              failure_mode_allow: false ", "              # ", "write failure_mode_allow: false"),
        (AUTHZ, f"{AUTHZ}            disabled: true\n", "remove disabled"),
        (AUTHZ, AUTHZ.replace("filters.http.ext_authz", "authz"), "name it envoy.filters.http.ext_authz"),
        ("transport_api_version: V3\n", "transport_api_version: V3\n              shadow_mode: true\n", "remove it"),
        (
            "transport_api_version: V3\n",
            "transport_api_version: V3\n              filter_enabled: {default_value: {numerator: 1}}\n",
            "remove it",
        ),
        (
            "          rds:\n",
            "          upgrade_configs: [{upgrade_type: websocket, filters: [{name: router, typed_config: "
            '{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}]\n          rds:\n',
            "remove filters",
        ),
    ],
    ids=["failure mode", "failure mode absent", "disabled", "name", "shadow", "fraction", "upgrade"],
)
def test_no_setting_lets_a_request_pass_without_authz(files: EnvoyFiles, old: str, new: str, found: str) -> None:
    """2026-11-22: the bootstrap's own ext_authz was not checked."""
    edit(files.bootstrap, [(old, new)])
    (problem,) = problems(files)
    assert problem.startswith("envoy.yaml ")
    assert problem.endswith(found)


@pytest.mark.parametrize("where", ["nowhere", "behind the router"])
def test_ext_authz_must_come_before_the_router(files: EnvoyFiles, where: str) -> None:
    """2026-11-22: a chain without ext_authz, or with one that is never reached, was accepted."""
    text = files.bootstrap.read_text("utf-8")
    start, end = text.index(AUTHZ), text.index("          # 6. Headers for the backend")
    authz, router_end = text[start:end], text.index("          # --- Envoy's own refusals")
    after = authz if where == "behind the router" else ""
    files.bootstrap.write_text(text[:start] + text[end:router_end] + after + text[router_end:], "utf-8")
    expected = "envoy.yaml no ext_authz before the router: every client could reach the backends; put it there"
    assert expected in problems(files)[0]


def test_routes_in_the_bootstrap_are_refused(files: EnvoyFiles) -> None:
    """2026-11-22: a connection manager could hold routes of its own, which were not checked."""
    text = files.bootstrap.read_text("utf-8")
    start, end = text.index("          rds:\n"), text.index("          http_filters:\n")
    own = '          route_config: {virtual_hosts: [{name: own, domains: ["*"], routes: []}]}\n'
    files.bootstrap.write_text(text[:start] + own + text[end:], "utf-8")
    assert problems(files) == [
        "envoy.yaml route_config holds routes that these checks do not read; move them to dynamic/routes.yaml (rds)"
    ]
