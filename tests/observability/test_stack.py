"""The files of Prometheus, Grafana and the collector match their schemas, the compose file and each other.

This needs none of their images. Schemas cannot show that the programs accept the files: docs/deploy.md says so.
"""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pytest
import yaml

from dev.compose.__main__ import OBSERVED
from dev.compose.files import STATS_PORT
from tests.support.json_schema import faults
from tests.support.promtool import promtool
from tests.support.repository import ROOT

SHIPPED: Final = ROOT / "deploy" / "observability"
SCHEMAS: Final = yaml.safe_load(Path(__file__).with_name("schemas.yaml").read_text("utf-8"))
SERVICES: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
COLLECTOR: Final = SHIPPED / "collector" / "collector.yaml"
PROMETHEUS: Final = SHIPPED / "prometheus" / "prometheus.yml"
DATASOURCES: Final = SHIPPED / "grafana" / "datasources" / "prometheus.yaml"
PROVIDER: Final = SHIPPED / "grafana" / "dashboards" / "provider.yaml"
DASHBOARD: Final = SHIPPED / "grafana" / "dashboards" / "door.json"
FILES: Final = {
    "collector": COLLECTOR,
    "datasources": DATASOURCES,
    "provider": PROVIDER,
    "dashboard": DASHBOARD,
}
# Memory that the collector needs beside what its memory limiter counts, by its documentation.
BESIDE_MIB: Final = 50

Tree = Any  # YAML and JSON of others


def loaded(file: Path) -> Tree:
    """Parse a file."""
    text = file.read_text("utf-8")
    return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)


def broken(kind: str, tree: Tree) -> list[str]:
    """Return how a tree breaks its schema."""
    return faults(tree, SCHEMAS["$defs"][kind], SCHEMAS)


def sources(service: str) -> dict[PurePosixPath, Path]:
    """Return the mounts of a container: path inside, and file here."""
    return {PurePosixPath(each["target"]): ROOT / each["source"] for each in SERVICES[service]["volumes"]}


def seen_by(service: str, path: str) -> Path:
    """Return the file or folder here that is mounted at that path in a container."""
    asked = PurePosixPath(path)
    for target, source in sources(service).items():
        if asked.is_relative_to(target):
            return source / asked.relative_to(target)
    pytest.fail(f"{service} has nothing at {path}")


def argument(service: str, flag: str) -> str:
    """Return the value of a flag of a container's command."""
    (found,) = (each.removeprefix(f"{flag}=") for each in SERVICES[service]["command"] if each.startswith(f"{flag}="))
    return str(found)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_has_the_shape_that_its_program_documents(kind: str) -> None:
    assert broken(kind, loaded(FILES[kind])) == []


@pytest.mark.parametrize(
    ("kind", "break_it"),
    [
        ("collector", lambda tree: tree["receivers"]["otlp"].update(protocol={})),
        ("collector", lambda tree: tree["processors"]["batch"].update(timeout=1)),
        ("collector", lambda tree: tree["service"].pop("pipelines")),
        ("datasources", lambda tree: tree["datasources"][0].update(URL="http://prometheus:9090")),
        ("provider", lambda tree: tree["providers"][0]["options"].pop("path")),
        ("dashboard", lambda tree: tree["panels"][1]["gridPos"].update(w=25)),
        ("dashboard", lambda tree: tree["panels"][1].update(type="graph")),
        ("dashboard", lambda tree: tree.update(id=7)),
    ],
)
def test_a_schema_refuses_a_wrong_file(kind: str, break_it: Callable[[Tree], object]) -> None:
    tree = copy.deepcopy(loaded(FILES[kind]))
    break_it(tree)
    assert broken(kind, tree)


def test_prometheus_can_read_its_configuration_and_what_it_names() -> None:
    output = promtool("check", "config", str(PROMETHEUS))
    assert "SUCCESS: 1 rule files found" in output


def test_prometheus_and_the_collector_find_their_files_where_they_are_mounted() -> None:
    assert seen_by("prometheus", argument("prometheus", "--config.file")) == PROMETHEUS
    assert seen_by("collector", argument("collector", "--config")) == COLLECTOR
    for rules in loaded(PROMETHEUS)["rule_files"]:
        assert (PROMETHEUS.parent / rules).is_file()


def test_grafana_finds_its_dashboards_and_its_data_source() -> None:
    provisioning = "/etc/grafana/provisioning"
    assert DATASOURCES.parent == seen_by("grafana", f"{provisioning}/datasources")
    assert PROVIDER.parent == seen_by("grafana", f"{provisioning}/dashboards")
    (provider,) = loaded(PROVIDER)["providers"]
    assert DASHBOARD in seen_by("grafana", provider["options"]["path"]).glob("*.json")
    (source,) = loaded(DATASOURCES)["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]
    assert source["jsonData"]["timeInterval"] == loaded(PROMETHEUS)["global"]["scrape_interval"]


def test_prometheus_scrapes_the_ports_on_which_the_services_listen() -> None:
    ports = {"authz": 9091, "envoy": STATS_PORT, "ratelimit": 9090, "collector": telemetry_port()}
    assert SERVICES["authz"]["environment"]["AUTHZ_ADMIN"] == f"0.0.0.0:{ports['authz']}"
    asked = {}
    for job in loaded(PROMETHEUS)["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        assert found["names"] == [job["job_name"]], "alerts select by the name of the job"
        assert set(SERVICES[job["job_name"]]["networks"]) & set(SERVICES["prometheus"]["networks"])
        asked[job["job_name"]] = found["port"]
    assert asked == ports


def test_the_collectors_pipeline_uses_every_part_and_checks_memory_first() -> None:
    tree = loaded(COLLECTOR)
    (pipeline,) = tree["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(tree[kind])
    assert pipeline["processors"][0] == "memory_limiter"


def test_the_collector_stays_within_its_containers_memory() -> None:
    limiter = loaded(COLLECTOR)["processors"]["memory_limiter"]
    assert limiter["spike_limit_mib"] < limiter["limit_mib"]
    assert limiter["limit_mib"] + BESIDE_MIB <= mebibytes(SERVICES["collector"]["mem_limit"])
    assert mebibytes(SERVICES["collector"]["environment"]["GOMEMLIMIT"]) == limiter["limit_mib"] * 4 // 5


def test_authz_sends_spans_to_the_collectors_http_port() -> None:
    endpoint = loaded(COLLECTOR)["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert OBSERVED["OTLP_ENDPOINT"] == f"http://collector:{endpoint.rpartition(':')[2]}"
    assert SERVICES["authz"]["environment"]["AUTHZ_OTLP_ENDPOINT"] == "${OTLP_ENDPOINT:-}"
    assert set(SERVICES["authz"]["networks"]) & set(SERVICES["collector"]["networks"])


def telemetry_port() -> int:
    """Return the port of the collector's own metrics."""
    (reader,) = loaded(COLLECTOR)["service"]["telemetry"]["metrics"]["readers"]
    return int(reader["pull"]["exporter"]["prometheus"]["port"])


def mebibytes(text: str) -> int:
    """Return the number of a size such as 256m or 128MiB."""
    found = re.fullmatch(r"(\d+)(?:m|MiB)", text)
    assert found, text
    return int(found[1])
