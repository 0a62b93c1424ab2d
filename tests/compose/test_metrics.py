"""Every scrape of prometheus.yml works inside the network that Prometheus shares with the services."""

from typing import Any, Final

import pytest
import yaml

from tests.support.compose.client import Caller, Client
from tests.support.compose.door import ENVOYS, Door, docker
from tests.support.repository import ROOT

CONFIGURATION: Final = ROOT / "deploy" / "observability" / "prometheus" / "prometheus.yml"
JOBS: Final[dict[str, Any]] = {  # Any: YAML
    job["job_name"]: job for job in yaml.safe_load(CONFIGURATION.read_text("utf-8"))["scrape_configs"]
}
# Without the collector: it is in a profile whose images these tests do not have.
ASKED: Final = sorted(JOBS.keys() - {"collector"})
EXPECTED: Final = {
    "authz": "authz_decisions_total{",
    "envoy": "envoy_http_downstream_rq_total{",
    "ratelimit": "ratelimit_service_",
}
PROGRAM: Final = """
import socket, sys, urllib.request
name, port, path = sys.argv[1:]
for address in sorted({found[4][0] for found in socket.getaddrinfo(name, port, socket.AF_INET)}):
    print("#", address)
    print(urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=10).read().decode())
"""


@pytest.mark.parametrize("job", ASKED)
def test_a_job_finds_its_metrics(door: Door, client: Client, customer: Caller, job: str) -> None:
    assert client.ask(customer).status == 200
    (found,) = JOBS[job]["dns_sd_configs"]
    (name,) = found["names"]
    metrics = from_the_network(door, name, str(found["port"]), JOBS[job].get("metrics_path", "/metrics"))
    assert EXPECTED[job] in metrics
    assert metrics.count("# 1") == (ENVOYS if job == "envoy" else 1)


def test_envoy_serves_statistics_and_no_other_admin_page(door: Door) -> None:
    for path in ("/quitquitquit", "/config_dump", "/stats"):
        with pytest.raises(AssertionError, match="HTTP Error 404"):
            from_the_network(door, "envoy", "9902", path)


def from_the_network(door: Door, *asked: str) -> str:
    """Ask every container of a service from the network `watch`, and return the answers."""
    line = ["run", "--rm", "--network", f"{door.stack.project}_watch", "--entrypoint", "python3"]
    return docker(*line, door.container("ai-gateway").image, "-c", PROGRAM, *asked)
