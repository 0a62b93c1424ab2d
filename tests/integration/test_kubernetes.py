"""The ConfigMaps hold the files for containers, under the names that the manifests mount."""

from pathlib import Path
from typing import Final

import kubernetes_validate
import pytest
import yaml

from dev import kubernetes
from dev.compose import files as compose_files
from tests.support.repository import ROOT

SOURCE: Final = compose_files.shared(ROOT / "envoy")


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Make the ConfigMaps; return each one's files by its name."""
    monkeypatch.chdir(ROOT)
    made = list(yaml.safe_load_all(kubernetes.configuration(SOURCE)))
    for each in made:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    return {each["metadata"]["name"]: each["data"] for each in made}


def test_every_config_map_that_is_mounted_is_made_and_no_other(maps: dict[str, dict[str, str]]) -> None:
    mounted = set()
    for file in (ROOT / "deploy" / "kubernetes").glob("*.yaml"):
        for each in yaml.safe_load_all(file.read_text("utf-8")):
            volumes = each["spec"]["template"]["spec"]["volumes"] if each["kind"] == "Deployment" else ()
            mounted |= {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    assert mounted == set(maps)


def test_the_config_maps_hold_the_files_that_containers_read(maps: dict[str, dict[str, str]], tmp_path: Path) -> None:
    files = compose_files.shared(tmp_path / "envoy")
    compose_files.write(SOURCE, files)
    written = [file for file in files.folder.rglob("*.yaml") if file.parent.name != "ratelimit"]
    held = {**maps["door-envoy"], **maps["door-limits"], **maps["door-routes"]}
    assert {file.name: file.read_text("utf-8") for file in written} == {
        name: text for name, text in held.items() if name.endswith(".yaml")
    }
    assert held["run.sh"] == (ROOT / "deploy" / "envoy" / "run.sh").read_text("utf-8")
    service = {file.name: file.read_text("utf-8") for file in (files.rendered / "ratelimit").iterdir()}
    assert maps["ratelimit-limits"] == service


def test_a_config_map_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(kubernetes, "LIMIT_BYTES", 10_000)
    with pytest.raises(kubernetes.TooLargeError, match="ConfigMap door-"):
        kubernetes.configuration(SOURCE)
