"""What the containers of a stack are: image, id, and the version of the program inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.compose.door import docker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.compose.door import Door

# How each program says what it is. The rate limit service cannot; its image's tag is the commit it was built from.
ASKED: Mapping[str, tuple[str, ...]] = {
    "envoy": ("envoy", "--version"),
    "authz": (
        "python3",
        "-c",
        "import grpc, platform; print('CPython', platform.python_version(), 'grpc', grpc.__version__)",
    ),
    "redis": ("redis-server", "--version"),
}


def versions(door: Door) -> Iterator[str]:
    """A line for each image."""
    yield f"Docker Engine {docker('version', '--format', '{{.Server.Version}}').strip()}"
    yield f"{' '.join(door.stack.command)} {door.stack.read('version', '--short').strip()}"
    seen = {each.service: each for each in door.stack.containers()}
    for service, each in sorted(seen.items()):
        image = docker("inspect", "--format", "{{.Image}}", each.id).strip()
        said = docker("exec", each.id, *ASKED[service]).strip() if service in ASKED else ""
        yield f"{service}: {each.image} {image} {said}".rstrip()
