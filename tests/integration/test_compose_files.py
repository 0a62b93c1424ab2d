"""The files for containers differ from envoy/ only in addresses."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.compose.files import of_bootstrap, of_clusters, shared, write, write_watched
from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from tests.support.repository import ROOT

SHIPPED = shared(ROOT / "envoy")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.fixture
def source(tmp_path: Path) -> EnvoyFiles:
    """A copy of the shipped files."""
    return shared(shutil.copytree(SHIPPED.folder, tmp_path / "source" / "envoy"))


@pytest.fixture
def target(tmp_path: Path) -> EnvoyFiles:
    """The folder for the containers' files."""
    return shared(tmp_path / "target" / "envoy")


def loaded(file: Path) -> Any:  # Any: YAML
    """Parse a file."""
    return yaml.safe_load(file.read_text("utf-8"))


def addresses(cluster: Any) -> Iterator[tuple[str, int]]:
    """Yield the addresses of a cluster's endpoints."""
    for locality in cluster["load_assignment"]["endpoints"]:
        for endpoint in locality["lb_endpoints"]:
            at = endpoint["endpoint"]["address"]["socket_address"]
            yield at["address"], at["port_value"]


def test_every_backend_is_a_service_of_the_compose_file() -> None:
    clusters = yaml.safe_load(of_clusters(SHIPPED.clusters.read_text("utf-8")))["resources"]
    for cluster in clusters:
        ((host, port),) = addresses(cluster)
        assert host in COMPOSE["services"]
        assert port == (8081 if cluster["name"].endswith("_grpc") else 8080)
        assert cluster["type"] == "STRICT_DNS"


def test_the_rate_limit_service_is_a_service_of_the_compose_file(source: EnvoyFiles) -> None:
    static = yaml.safe_load(of_bootstrap(source.started.read_text("utf-8")))["static_resources"]
    (cluster,) = (each for each in static["clusters"] if each["name"] == "ratelimit")
    assert list(addresses(cluster)) == [("ratelimit", 8081)]


def test_nothing_but_addresses_differs(source: EnvoyFiles, target: EnvoyFiles) -> None:
    write(source, target)
    for old, new in zip(loaded(source.clusters)["resources"], loaded(target.clusters)["resources"], strict=True):
        moved = {"type", "load_assignment"}
        assert {k: v for k, v in old.items() if k not in moved} == {k: v for k, v in new.items() if k not in moved}
    old, new = loaded(source.started), loaded(target.started)
    assert [each["name"] for each in new["static_resources"]["listeners"]] == ["tls", "plain", "stats"]
    new["static_resources"]["listeners"].pop()
    new["static_resources"]["clusters"].pop()
    assert new["static_resources"].pop("listeners") == old["static_resources"].pop("listeners")
    for one, other in zip(
        old["static_resources"].pop("clusters"), new["static_resources"].pop("clusters"), strict=True
    ):
        assert one["name"] == other["name"]
    assert old == new
    for file in (source.routes, source.tls, *source.limits, *(source.rendered / "ratelimit").iterdir()):
        assert (target.folder / file.relative_to(source.folder)).read_text("utf-8") == file.read_text("utf-8")


def test_an_address_that_is_not_on_loopback_stays(source: EnvoyFiles) -> None:
    text = source.clusters.read_text("utf-8").replace(
        "address: 127.0.0.1, port_value: 8101", "address: 10.1.2.3, port_value: 8101"
    )
    before = yaml.safe_load(text)["resources"][0]
    assert yaml.safe_load(of_clusters(text))["resources"][0] == before


def test_envoy_accepts_the_files_for_containers(source: EnvoyFiles, target: EnvoyFiles) -> None:
    write(source, target)
    shutil.copyfile(target.clusters, source.clusters)
    shutil.copyfile(target.started, source.started)
    assert check(source) == ()


def test_other_containers_can_read_only_the_statistics_of_the_admin_interface(source: EnvoyFiles) -> None:
    static = yaml.safe_load(of_bootstrap(source.started.read_text("utf-8")))["static_resources"]
    stats = static["listeners"][-1]
    assert stats["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 9902}
    (route,) = stats["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert route["match"]["path"] == "/stats/prometheus"
    assert route["match"]["headers"] == [{"name": ":method", "string_match": {"exact": "GET"}}]


def test_only_what_changed_is_moved(source: EnvoyFiles, target: EnvoyFiles) -> None:
    write(source, target)
    before = {file: file.stat().st_ino for file in target.folder.rglob("*.yaml")}
    source.routes.write_text(source.routes.read_text("utf-8") + "# edited\n", "utf-8")
    write_watched(source, target)
    after = {file: file.stat().st_ino for file in target.folder.rglob("*.yaml")}
    assert {file for file in after if after[file] != before[file]} == {target.routes}


def test_a_removed_limits_file_is_removed_for_containers(source: EnvoyFiles, target: EnvoyFiles) -> None:
    write(source, target)
    for file in (source.rendered / "unit_primitives.yaml", source.rendered / "ratelimit" / "unit_primitives.yaml"):
        file.unlink()
    write_watched(source, target)
    assert not list(target.rendered.rglob("unit_primitives.yaml"))
    assert target.started.is_file()
