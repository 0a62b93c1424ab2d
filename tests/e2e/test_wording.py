"""A slip in an Envoy file is one sentence: the file, the very line, and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles, render
from tests.support.e2e.served import SHIPPED

ROUTES, CLUSTERS, BOOTSTRAP, TLS = "dynamic/routes.yaml", "dynamic/clusters.yaml", "envoy.yaml", "tls.yaml"
INTERNALS = re.compile(r"Error|INVALID_ARGUMENT|protobuf|as proto|near \d|debug|\{\"|object|NoneType")
SLIPS = [
    (ROUTES, "  name: door", "  name: dor", "the routes here are dor, and envoy.yaml asks for door (line N)"),
    (ROUTES, "resources:", "resources: 5\nx:", "resources must hold a list"),
    (ROUTES, "  - name: door", "  - nam: door", "nam stands where name is needed; write name"),
    (ROUTES, '    domains: ["*"]', '    domins: ["*"]', "virtual host door: no such field: 'domins'"),
    (ROUTES, "timeout: 60s", "timeout: 60", "route ai: timeout: 60 will not do; write 60s"),
    (ROUTES, "timeout: 60s", "timeout: 1m", "route ai: timeout: 1m will not do; write 60s"),
    (ROUTES, "timeout: 60s", "timeout: 2020-01-01", "route ai: timeout: 2020-01-01 will not do; write a number of"),
    (ROUTES, "timeout: 60s", "timeout: .inf", ".inf is no number to Envoy; write one that ends"),
    (ROUTES, "timeout: 60s", "timeout: !x 60s", "tag !x means nothing to Envoy; take it out"),
    (ROUTES, "timeout: 60s", "[1, 2]: 60s", "a list stands where a key should; write a name"),
    (ROUTES, "timeout: 60s", "timeout: &again [*again]", "a piece that contains itself"),
    (ROUTES, "num_retries: 2", "num_retries: two", "num_retries: two will not do; write a whole number from 0 on"),
    (ROUTES, "separated_prefix: /sast}", "separated_prefix: 5}", 'path_separated_prefix: 5 will not do; write "5"'),
    (
        ROUTES,
        "separated_prefix: /sast}",
        "separated_prefx: /sast}",
        "'path_separated_prefx'; write path_separated_prefix",
    ),
    (ROUTES, "{path_separated_prefix: /sast}", "{prefix: /a, path: /b}", "path: /b will not do; keep only one"),
    (ROUTES, "cluster: sast\n", "cluster: [sast]\n", "cluster: ['sast'] is no text; write one"),
    (ROUTES, "^/sast/?", "^(/sast", "route sast: missing ): ^(/sast"),
    (ROUTES, "context_extensions: {backend_service: sast}", "context_extensions: sast", "context_extensions must hold"),
    (ROUTES, "v3.RouteConfiguration", "v3.Routes", "@type is type.googleapis.com/envoy.config.route.v3.Routes"),
    (CLUSTERS, "port_value: 8101", "port_value: 81xx", "port_value: 81xx will not do; write a whole number from 0 on"),
    (CLUSTERS, "port_value: 8101", "port_value: 81010", "port_value: value must be less than or equal to 65535"),
    (CLUSTERS, "lb_policy: LEAST", "lb_policy: LEST", "no value 'LEST_REQUEST'; write LEAST_REQUEST"),
    (CLUSTERS, "address: 127.0.0.1", "address: localhost", "malformed IP address: localhost"),
    (
        CLUSTERS,
        "  name: sast\n",
        "  name: ai_gateway\n",
        "a second one with the name ai_gateway; give it one of its own",
    ),
    (CLUSTERS, "v3.HttpProtocolOptions\n", "v3.HttpProtocolOption\n", "Envoy knows no type type.googleapis.com"),
    (BOOTSTRAP, "static_resources:", "statc_resources:", "statc_resources stands where static_resources is needed"),
    (BOOTSTRAP, "admin:", "admn:", "admn stands where admin is needed; write admin"),
    (BOOTSTRAP, "idle_timeout: 300s", "idle_timout: 300s", "no such field: 'idle_timout'; write idle_timeout"),
    (BOOTSTRAP, "port_value: 8443", "port_value: 84xx", "port_value: 84xx will not do; write a whole number"),
    (BOOTSTRAP, "normalize_path: true", "normalize_path: 1", "normalize_path: 1 will not do; write true or false"),
    (BOOTSTRAP, "headers_kb: 60", "headers_kb: 60000", "max_request_headers_kb: value must be inside range"),
    (BOOTSTRAP, "cors.v3.Cors}", "cors.v3.Crs}", "filters.http.cors.v3.Crs; correct it, or take it out"),
    (BOOTSTRAP, "{cluster_name: authz}", "{cluster_name: autz}", "ext_authz asks cluster autz, and static_resources"),
    (BOOTSTRAP, "          http_filters:", "          http_filters: 5\n          x:", "http_filters must hold a list"),
    (TLS, "name: door", "name: gate", "Unknown static secret: door; envoy.yaml asks for it"),
    (TLS, "tls_certificate:", "tls_certficate:", "tls_certficate stands where tls_certificate is needed"),
]


@pytest.mark.parametrize(("file", "old", "new", "says"), SLIPS, ids=[f"{new.strip()}" for _, _, new, _ in SLIPS])
def test_a_slip_is_told_at_its_line_with_its_mend(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    files = EnvoyFiles(tmp_path / "envoy")
    render(SHIPPED, files)
    edited = files.folder / file
    before, _, after = edited.read_text("utf-8").partition(old)
    edited.write_text(f"{before}{new}{after}", "utf-8")
    problem = check(files)[0]
    assert re.sub(r"line \d+", "line N", problem.message).partition(says)[1], problem.message
    at = edited.read_text("utf-8").splitlines()[problem.line - 1]
    assert problem.file == edited
    assert new.strip().splitlines()[0] in at, at
    assert not INTERNALS.search(problem.message), problem.message
    assert "\n" not in problem.message


def test_what_is_nested_beyond_all_bounds_is_told(tmp_path: Path) -> None:
    files = EnvoyFiles(tmp_path / "envoy")
    render(SHIPPED, files)
    files.routes.write_text("resources: " + "[" * 5000, "utf-8")
    assert [problem.message for problem in check(files)] == ["is nested too deeply to be read; write it flatter"]
