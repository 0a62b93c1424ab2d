"""What Prometheus would ask is answered where it would ask it: inside the network that it shares with the others."""

from __future__ import annotations

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
# The collector is in a profile of its own, whose images these tests do not have.
ASKED: Final = sorted(JOBS.keys() - {"collector"})
TELLING: Final = {
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
    told = from_the_network(door, name, str(found["port"]), JOBS[job].get("metrics_path", "/metrics"))
    assert TELLING[job] in told
    assert told.count("# 1") == (ENVOYS if job == "envoy" else 1)


def test_envoy_serves_statistics_and_no_other_admin_page(door: Door) -> None:
    for path in ("/quitquitquit", "/config_dump", "/stats"):
        with pytest.raises(AssertionError, match="HTTP Error 404"):
            from_the_network(door, "envoy", "9902", path)


def from_the_network(door: Door, *asked: str) -> str:
    """What every container of a name answers to somebody in the network of those who watch."""
    line = ["run", "--rm", "--network", f"{door.stack.project}_watch", "--entrypoint", "python3"]
    return docker(*line, door.container("ai-gateway").image, "-c", PROGRAM, *asked)
