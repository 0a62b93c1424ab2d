"""The image has no build tools, an unprivileged user and a read-only file system."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from tests.support.compose.door import Door, docker, until

INSTALLERS: Final = ("pip", "setuptools", "wheel", "ensurepip", "pkg_resources")
PROGRAMS: Final = ("pip", "pip3", "gcc", "cc", "g++", "make", "ld", "uv", "easy_install")


def test_the_image_has_no_tool_that_builds_or_installs(door: Door) -> None:
    program = (
        "import importlib.util, json, shutil\n"
        f"packages = [name for name in {INSTALLERS!r} if importlib.util.find_spec(name)]\n"
        f"print(json.dumps(packages + [name for name in {PROGRAMS!r} if shutil.which(name)]))"
    )
    for python in ("python3", "/usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin python3"):
        assert json.loads(door.execute("authz", *python.split(), "-c", program)) == []


def test_the_images_user_is_a_number_and_not_root(door: Door) -> None:
    user, group = described(door)["Config"]["User"].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_has_labels_and_a_health_check(door: Door) -> None:
    config = described(door)["Config"]
    assert {f"org.opencontainers.image.{name}" for name in ("title", "version", "revision", "base.name")} <= set(
        config["Labels"]
    )
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["StopSignal"] == "SIGTERM"


def test_no_container_may_write_or_has_a_capability_or_is_root(door: Door) -> None:
    for each in door.stack.containers():
        (seen,) = json.loads(docker("inspect", each.id))
        host = seen["HostConfig"]
        assert host["ReadonlyRootfs"], each.service
        assert host["CapDrop"] == ["ALL"], each.service
        assert not host["CapAdd"], each.service
        assert "no-new-privileges:true" in host["SecurityOpt"], each.service
        assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0, each.service
        assert seen["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, each.service
        assert bool(seen["NetworkSettings"]["Ports"].get("8443/tcp")) == (each.service == "envoy")


def test_the_images_size_and_start_up_time_are_printed(door: Door, note: Callable[[str], None]) -> None:
    image = described(door)
    base = json.loads(docker("image", "inspect", image["Config"]["Labels"]["org.opencontainers.image.base.name"]))[0]
    note(f"image: {(image['Size'] - base['Size']) / 1e6:.1f} MB above its base of {base['Size'] / 1e6:.1f} MB")
    name = f"start-{uuid.uuid4()}"
    keys = f"{door.files / 'keys'}:/keys:ro"
    line = ["run", "--detach", "--rm", "--name", name, "--read-only", "--cap-drop", "ALL", "--tmpfs", "/tmp"]  # noqa: S108
    options = ["--network", "none", "--volume", keys, "--env", "AUTHZ_KEYS=/keys", "--env", "AUTHZ_WORKERS=1"]
    begun = time.monotonic()
    docker(*line, *options, door.container("authz").image)
    try:
        until(lambda: is_ready(name), "the new container is ready")
        note(f"start-up: ready {time.monotonic() - begun:.1f} s after docker run, one worker, shipped policy")
    finally:
        docker("rm", "--force", name)


def described(door: Door) -> Any:  # Any: JSON of `docker image inspect`
    """Return `docker image inspect` of the service's image."""
    return json.loads(docker("image", "inspect", door.container("authz").image))[0]


def is_ready(container: str) -> bool:
    """Whether the image's own health check succeeds."""
    program = "import subprocess; print(subprocess.call(['python3', '-I', '-S', '/opt/authz/ready.py'], stdout=2))"
    return docker("exec", container, "python3", "-c", program).strip() == "0"
