"""An operator's mistake gives one line that says what to correct."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.compose.__main__ import prepare, start
from dev.compose.command import ComposeError, Stack, compose_command
from dev.compose.files import shared
from tests.support.compose.door import Door
from tests.support.minting import write_keys
from tests.support.repository import ROOT


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write the complete files of a stack."""
    prepare(shared(ROOT / "envoy"), tmp_path / "files")
    write_keys(tmp_path / "files" / "keys")
    return tmp_path / "files"


@contextmanager
def refused(files: Path, **environment: str) -> Iterator[list[str]]:
    """Start a stack that cannot start; yield its messages, then remove it."""
    lines: list[str] = []
    stack = Stack(compose_command(), "cloud-connector-mistakes", {"DOOR_FILES": str(files), **environment})
    try:
        with pytest.raises(ComposeError) as problem:
            start(stack)
        lines += str(problem.value).splitlines()
        yield lines
    finally:
        stack.run("down", "--volumes", "--timeout", "1")


def line_with(lines: list[str], *words: str) -> str:
    """Return the first line with all the words; without one, fail with all lines."""
    found = [line for line in lines if all(word in line for word in words)]
    assert found, "\n".join(lines)
    return found[0]


@pytest.mark.usefixtures("door")
def test_a_missing_keys_folder_is_named(files: Path) -> None:
    shutil.rmtree(files / "keys")
    with refused(files) as lines:
        # Compose 1.29 refuses the folder; v2 makes an empty one, and then authz says which keys are missing.
        assert any(str(files / "keys") in line or "has no key in" in line for line in lines), lines


@pytest.mark.usefixtures("door")
def test_keys_that_are_missing_are_named(files: Path) -> None:
    (files / "keys" / "customers-dot.jwks.json").unlink()
    with refused(files) as lines:
        line_with(lines, "authz is ", "the end of its log")
        line_with(lines, "customers-dot.jwks.json", "put one there")


@pytest.mark.usefixtures("door")
def test_a_policy_that_cannot_be_read_is_named(files: Path, tmp_path: Path) -> None:
    policy = shutil.copytree(ROOT / "authz" / "data", tmp_path / "policy")
    (policy / "issuers.yml").chmod(0)
    with refused(files, POLICY=str(policy)) as lines:
        line_with(lines, "authz is ", "the end of its log")
        line_with(lines, "/etc/authz/policy/issuers.yml")


def test_a_port_that_is_taken_is_named(door: Door, files: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with refused(files, DOOR_PORTS=str(port)) as lines:
            line_with(lines, str(port), "already in use")
    assert door.ports()


@pytest.mark.usefixtures("door")
def test_a_missing_redis_image_is_named(files: Path) -> None:
    with refused(files, REDIS_IMAGE="127.0.0.1:1/there-is-no/redis:7") as lines:
        assert any("redis" in line or "127.0.0.1:1" in line for line in lines), lines
