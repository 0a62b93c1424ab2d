"""`check` reports each mistake in an Envoy file in one sentence: its file, its line and what to write instead."""

import re

import pytest

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles

ROUTES, CLUSTERS, BOOTSTRAP, TLS = "dynamic/routes.yaml", "dynamic/clusters.yaml", "envoy.yaml", "tls.yaml"
INTERNALS = re.compile(r"Error|INVALID_ARGUMENT|protobuf|as proto|near \d|debug|\{\"|object|NoneType")
MISTAKES = [
    (ROUTES, "  name: door", "  name: dor", "the routes here are dor, but envoy.yaml asks for door (line N)"),
    (ROUTES, "resources:", "resources: 5\nx:", "resources must be a list"),
    (ROUTES, "  - name: door", "  - nam: door", "nam is not a key here; write name"),
    (ROUTES, '    domains: ["*"]', '    domins: ["*"]', "virtual host door: no such field: 'domins'"),
    (ROUTES, "timeout: 90s", "timeout: 60", "route ai: timeout: 60 is not valid; write 60s"),
    (ROUTES, "timeout: 90s", "timeout: 1m", "route ai: timeout: 1m is not valid; write 60s"),
    (ROUTES, "timeout: 90s", "timeout: 2020-01-01", "route ai: timeout: 2020-01-01 is not valid; write a number of"),
    (ROUTES, "timeout: 90s", "timeout: .inf", "Envoy does not accept the number .inf; write a finite one"),
    (ROUTES, "timeout: 90s", "timeout: !x 60s", "Envoy does not know the tag !x; remove it"),
    (ROUTES, "timeout: 90s", "[1, 2]: 60s", "this key is a list; write a name"),
    (ROUTES, "timeout: 90s", "timeout: &again [*again]", "this value contains itself"),
    (ROUTES, "num_retries: 2", "num_retries: two", "num_retries: two is not valid; write a whole number from 0 on"),
    (ROUTES, "separated_prefix: /sast}", "separated_prefix: 5}", 'path_separated_prefix: 5 is not valid; write "5"'),
    (
        ROUTES,
        "separated_prefix: /sast}",
        "separated_prefx: /sast}",
        "'path_separated_prefx'; write path_separated_prefix",
    ),
    (ROUTES, "{path_separated_prefix: /sast}", "{prefix: /a, path: /b}", "path: /b is not valid; keep only one"),
    (ROUTES, "cluster: sast\n", "cluster: [sast]\n", "cluster: ['sast'] is not text; write text"),
    (ROUTES, "^/sast/?", "^(/sast", "route sast: missing ): ^(/sast"),
    (
        ROUTES,
        "context_extensions: {backend_service: sast}",
        "context_extensions: sast",
        "context_extensions must be a map",
    ),
    (ROUTES, "v3.RouteConfiguration", "v3.Routes", "@type is type.googleapis.com/envoy.config.route.v3.Routes"),
    (ROUTES, "num_retries", "num_retriez", "route ai_stream: no such field: 'num_retriez'"),
    (ROUTES, "timeout: 90s", "timeout: soon", "route ai: timeout: soon is not valid; write a number"),
    (ROUTES, "resources:", "routes:", "routes is not a key here; write resources"),
    (CLUSTERS, "ejection_percent: 50", "ejection_percent: 500", "equal to 100"),
    (CLUSTERS, "port_value: 8101", "port_value: 81xx", "port_value: 81xx is not valid; write a whole number from 0 on"),
    (CLUSTERS, "port_value: 8101", "port_value: 81010", "port_value: value must be less than or equal to 65535"),
    (CLUSTERS, "lb_policy: LEAST", "lb_policy: LEST", "no value 'LEST_REQUEST'; write LEAST_REQUEST"),
    (CLUSTERS, "address: 127.0.0.1", "address: localhost", "malformed IP address: localhost"),
    (
        CLUSTERS,
        "  name: sast\n",
        "  name: ai_gateway\n",
        "the name ai_gateway is used twice; give this one another",
    ),
    (CLUSTERS, "v3.HttpProtocolOptions\n", "v3.HttpProtocolOption\n", "Envoy knows no type type.googleapis.com"),
    (BOOTSTRAP, "static_resources:", "statc_resources:", "statc_resources is not a key here; write static_resources"),
    (BOOTSTRAP, "admin:", "admn:", "admn is not a key here; write admin"),
    (BOOTSTRAP, "idle_timeout: 300s", "idle_timout: 300s", "no such field: 'idle_timout'; write idle_timeout"),
    (BOOTSTRAP, "port_value: 8443", "port_value: 84xx", "port_value: 84xx is not valid; write a whole number"),
    (BOOTSTRAP, "normalize_path: true", "normalize_path: 1", "normalize_path: 1 is not valid; write true or false"),
    (BOOTSTRAP, "headers_kb: 60", "headers_kb: 60000", "max_request_headers_kb: value must be inside range"),
    (BOOTSTRAP, "cors.v3.Cors}", "cors.v3.Crs}", "filters.http.cors.v3.Crs; correct it or remove it"),
    (BOOTSTRAP, "{cluster_name: authz}", "{cluster_name: autz}", "ext_authz asks cluster autz, but static_resources"),
    (BOOTSTRAP, "          http_filters:", "          http_filters: 5\n          x:", "http_filters must be a list"),
    (BOOTSTRAP, "allow_connect: false", "allow_connect: off", 'write "off" in quotes'),
    (TLS, "private_key:", "private_keyx:", "no such field: 'private_keyx'"),
    (TLS, "name: door", "name: gate", "Unknown static secret: door; envoy.yaml asks for it"),
    (TLS, "tls_certificate:", "tls_certficate:", "tls_certficate is not a key here; write tls_certificate"),
]


@pytest.mark.parametrize(("file", "old", "new", "says"), MISTAKES, ids=[f"{new.strip()}" for _, _, new, _ in MISTAKES])
def test_a_mistake_is_reported_at_its_line_with_a_correction(
    files: EnvoyFiles, file: str, old: str, new: str, says: str
) -> None:
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


def test_a_file_that_is_nested_too_deeply_is_reported(files: EnvoyFiles) -> None:
    files.routes.write_text("resources: " + "[" * 5000, "utf-8")
    assert [problem.message for problem in check(files)] == ["is nested too deeply to be read; use fewer levels"]
