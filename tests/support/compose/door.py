"""Runs the compose stack for tests: two Envoys, in a separate folder, with small limits."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.compose.__main__ import TLS_PORT, prepare, start
from dev.compose.command import ComposeError, Container, Stack, check_engine, compose_command
from dev.compose.files import shared, write_watched
from dev.envoy.files import EnvoyFiles
from tests.support.minting import write_keys
from tests.support.repository import ROOT, TESTS
from tests.support.signing import Key

LIMITS: Final = TESTS / "compose" / "limits.yaml"
UNKNOWN_GATEWAY: Final = "192.0.2.1"
SECONDS: Final = 60.0
WORKERS: Final = 2
ENVOYS: Final = 2


@dataclass(frozen=True, slots=True)
class Door:
    """A running stack. Operators edit `source`; its containers read `files`."""

    stack: Stack
    source: EnvoyFiles
    files: Path
    authority: Path

    def ports(self) -> tuple[int, ...]:
        """Return the published ports of the Envoys."""
        return tuple(sorted(each.ports[TLS_PORT] for each in self.stack.containers("envoy")))

    def container(self, service: str) -> Container:
        """Return the only container of a service."""
        (found,) = self.stack.containers(service)
        return found

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a service's container and return its stdout."""
        return docker("exec", self.container(service).id, *command)

    def workers(self) -> tuple[int, ...]:
        """Return the process ids of authz's workers inside its container."""
        program = (
            "import pathlib\n"
            "for each in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
            "    if b'--multiprocessing-fork' in each.read_bytes().split(b'\\0'): print(each.parent.name)"
        )
        return tuple(sorted(map(int, self.execute("authz", "python3", "-c", program).split())))

    def endpoints(self) -> int:
        """Return the number of workers in the endpoints file."""
        (assignment,) = json.loads(self.execute("authz", "cat", "run/authz/endpoints.json"))["resources"]
        return sum(len(locality["lb_endpoints"]) for locality in assignment["endpoints"])

    def end_worker(self, process: int) -> None:
        """Send SIGTERM to one worker."""
        self.execute("authz", "python3", "-c", f"import os, signal; os.kill({process}, signal.SIGTERM)")

    def put_keys(self, keys: Mapping[str, list[Key]]) -> None:
        """Give issuers' keys to the running authz, by atomic moves."""
        draft = write_keys(self.files / "draft", keys)
        for file in draft.iterdir():
            file.replace(self.files / "keys" / file.name)

    def edit_routes(self, old: str, new: str) -> None:
        """Change a text in the routes, and give them to the running Envoys."""
        text = self.source.routes.read_text("utf-8")
        assert old in text, f"the routes no longer hold: {old}"
        self.source.routes.write_text(text.replace(old, new, 1), "utf-8")
        write_watched(self.source, shared(self.files / "envoy"))


@contextmanager
def open_door(files: Path) -> Iterator[Door]:
    """Build and start everything, and remove it after the block. Raises AssertionError if it does not start."""
    command = compose_command()
    check_engine()
    shutil.rmtree(files, ignore_errors=True)
    source = copied_source(files.parent / f"{files.name}-source")
    # Two steps: Compose needs the files before it makes the networks, and the files need an address of the network.
    authority = prepare(source, files)
    write_keys(files / "keys")
    stack = Stack(command, f"cloud-connector-{files.name}", environment(files))
    try:
        end(stack)  # left by a test run that was killed
        stack.run("build")
        stack.run("up", "--no-start")
        exempt(source, gateway(stack))
        prepare(source, files)
        start(stack, "--scale", f"envoy={ENVOYS}")
        door = Door(stack, source, files, authority)
        until(lambda: all(each.is_healthy() for each in stack.containers()), "every container is well")
        yield door
    except ComposeError as problem:
        raise AssertionError(str(problem)) from problem
    finally:
        end(stack)


def end(stack: Stack) -> None:
    """Remove every container, network and volume of the stack."""
    stack.run("down", "--volumes", "--remove-orphans", "--timeout", "1")


def environment(files: Path) -> dict[str, str]:
    """Return the environment for the compose file."""
    ports = "18443-18499"
    return {"DOOR_FILES": str(files), "DOOR_PORTS": ports, "WORKERS": str(WORKERS)}


def copied_source(folder: Path) -> EnvoyFiles:
    """Copy envoy/ with the small limits of these tests, and render them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "envoy", folder / "envoy")
    shutil.copyfile(LIMITS, folder / "envoy" / "limits.yaml")
    render_limits(folder)
    return shared(folder / "envoy")


def render_limits(folder: Path) -> None:
    """Run `authz limits render` in the copy."""
    line = [sys.executable, "-P", "-m", "authz", "limits", "render"]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        line, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def exempt(source: EnvoyFiles, address: str) -> None:
    """Exempt an address from the address limits: this machine gets many refusals."""
    limits = source.folder / "limits.yaml"
    limits.write_text(limits.read_text("utf-8").replace(UNKNOWN_GATEWAY, address), "utf-8")
    render_limits(source.folder.parent)


def gateway(stack: Stack) -> str:
    """Return this machine's address for the containers: the gateway of the door's network."""
    (network,) = json.loads(docker("network", "inspect", f"{stack.project}_door"))
    return str(network["IPAM"]["Config"][0]["Gateway"])


def docker(*arguments: str) -> str:
    """Run a docker command and return its stdout."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S607  # on PATH
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for a condition; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
