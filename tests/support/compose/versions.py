"""Lists the containers of a stack: image, id, and the version of the program inside."""

import re
import subprocess
from collections.abc import Iterator, Mapping

from tests.support.compose.door import Door, docker

PYTHON = "import {0}, platform; print('CPython', platform.python_version(), '{0}', {0}.__version__)"
SAMPLES = ("ai-gateway", "duo-workflow-service", "observability", "sast")
# The command that prints each program's version.
ASKED: Mapping[str, tuple[str, ...]] = {
    "envoy": ("envoy", "--version"),
    "authz": ("python3", "-c", PYTHON.format("grpc")),
    "redis": ("redis-server", "--version"),
    **dict.fromkeys(SAMPLES, ("python3", "-c", PYTHON.format("aiohttp"))),
}
# Go writes this into each program that it builds.
BUILT = re.compile(rb"mod\t(github\.com/envoyproxy/ratelimit)\t(\S+)")


def versions(door: Door) -> Iterator[str]:
    """Yield a line for each container."""
    yield f"Docker Engine {docker('version', '--format', '{{.Server.Version}}').strip()}"
    yield f"{' '.join(door.stack.command)} {door.stack.read('version', '--short').strip()}"
    for each in sorted(door.stack.containers(), key=lambda found: found.service):
        image = docker("inspect", "--format", "{{.Image}}", each.id).strip()
        asked = ASKED.get(each.service)
        version = docker("exec", each.id, *asked).strip() if asked else of_the_rate_limit_service(each.id)
        yield f"{each.service}: {each.image} {image} {version}"


def of_the_rate_limit_service(container: str) -> str:
    """Return its version from the program file: it has no flag for it, and its image no shell."""
    program = subprocess.run(["docker", "cp", f"{container}:/bin/ratelimit", "-"], capture_output=True, check=True)  # noqa: S607  # on PATH
    found = BUILT.search(program.stdout)
    return b" ".join(found.groups()).decode() if found else "of unknown version"
