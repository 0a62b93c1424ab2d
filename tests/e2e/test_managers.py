"""Ways in on which Envoy would not ask authz, or not listen to it: `check` tells them."""

from __future__ import annotations

from typing import Final

import pytest

from dev.envoy.files import EnvoyFiles
from tests.support.e2e.findings import findings
from tests.support.e2e.served import edit

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
    ids=["failure mode", "failure mode unsaid", "disabled", "name", "shadow", "fraction", "upgrade"],
)
def test_authz_is_asked_and_heard(files: EnvoyFiles, old: str, new: str, found: str) -> None:
    """2026-11-22: the bootstrap's own ext_authz was not looked at."""
    edit(files.bootstrap, [(old, new)])
    said = findings(files)
    assert len(said) == 1, said
    assert said[0].startswith("envoy.yaml ")
    assert said[0].endswith(found)


@pytest.mark.parametrize("where", ["nowhere", "behind the router"])
def test_authz_stands_before_the_router(files: EnvoyFiles, where: str) -> None:
    """2026-11-22: a chain without ext_authz, or with one that is never reached, was accepted."""
    text = files.bootstrap.read_text("utf-8")
    start, end = text.index(AUTHZ), text.index("          # 6. The last word")
    authz, router_end = text[start:end], text.index("          # --- refusals that Envoy makes itself")
    after = authz if where == "behind the router" else ""
    files.bootstrap.write_text(text[:start] + text[end:router_end] + after + text[router_end:], "utf-8")
    assert (
        "envoy.yaml no ext_authz before the router: anyone could reach the backends; put it there" in findings(files)[0]
    )


def test_routes_are_where_they_are_checked(files: EnvoyFiles) -> None:
    """2026-11-22: a manager could hold routes of its own, which nobody looked at."""
    text = files.bootstrap.read_text("utf-8")
    start, end = text.index("          rds:\n"), text.index("          http_filters:\n")
    own = '          route_config: {virtual_hosts: [{name: own, domains: ["*"], routes: []}]}\n'
    files.bootstrap.write_text(text[:start] + own + text[end:], "utf-8")
    assert findings(files) == [
        "envoy.yaml route_config holds routes that nobody checks; keep them in dynamic/routes.yaml (rds)"
    ]
