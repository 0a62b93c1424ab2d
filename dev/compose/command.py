"""Runs Docker Compose, v1 or v2, and reports the state of its containers."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CANDIDATES = (("docker", "compose"), ("docker-compose",))
LAST_LINES = 8


class ComposeError(Exception):
    """Compose is missing or a command failed; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class Container:
    """The present state of one container of the stack."""

    id: str
    service: str
    image: str
    status: str  # created, running, restarting, exited, ...
    health: str  # healthy, unhealthy, starting; empty without a health check
    exit_code: int
    ports: Mapping[str, int]  # "8443/tcp" -> the port on this machine

    def is_healthy(self) -> bool:
        """Whether it runs and, if it has a health check, is healthy."""
        return self.status == "running" and self.health in {"", "healthy"}

    def last_lines(self) -> list[str]:
        """Return the last lines of its stdout and stderr."""
        logs = subprocess.run(
            ["docker", "logs", "--tail", str(LAST_LINES), self.id],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return logs.stdout.splitlines()


@dataclass(frozen=True, slots=True)
class Stack:
    """One project of the compose file in the working directory; `environment` is added to this process's."""

    command: Sequence[str]
    project: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> None:
        """Run a Compose command. Raises ComposeError with the end of its output if it fails."""
        line = self._line(arguments)
        done = subprocess.run(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment(), check=False
        )
        if done.returncode:
            output = [each for each in done.stdout.splitlines() if each.strip()]
            raise ComposeError("\n".join((f"{shlex.join(line)} failed:", *_indented(output[-LAST_LINES:]))))

    def read(self, *arguments: str) -> str:
        """Return what Compose writes to stdout. Raises ComposeError with its stderr if it fails."""
        return _output(self._line(arguments), self._environment())

    def containers(self, service: str | None = None) -> tuple[Container, ...]:
        """Return all containers, also ended ones, or those of one service. Raises ComposeError."""
        ids = self.read("ps", "--all", "--quiet", *([service] if service else [])).split()
        if not ids:
            return ()
        return tuple(_container(each) for each in json.loads(_output(["docker", "inspect", *ids])))

    def unhealthy(self) -> Iterator[str]:
        """Yield the service, the state and the end of the log of each unhealthy container."""
        for each in self.containers():
            if not each.is_healthy():
                state = each.health if each.status == "running" else f"{each.status}, exit code {each.exit_code}"
                yield "\n".join((f"{each.service} is {state}; the end of its log:", *_indented(each.last_lines())))

    def _line(self, arguments: Sequence[str]) -> list[str]:
        project = ["--project-name", self.project] if self.project else []
        return [*self.command, *project, *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


def compose_command() -> tuple[str, ...]:
    """Return $COMPOSE, else the first of `docker compose` and `docker-compose` that answers. Raises ComposeError."""
    asked = tuple(shlex.split(os.environ.get("COMPOSE", "")))
    for candidate in (asked,) if asked else CANDIDATES:
        try:
            _output([*candidate, "version"])
        except ComposeError:
            continue
        return candidate
    wanted = shlex.join(asked) if asked else "docker compose"
    raise ComposeError(f"{wanted} does not answer: install Docker with Compose v2 or 1.29, or name it in COMPOSE")


def check_engine() -> None:
    """Raise ComposeError if no Docker Engine answers."""
    try:
        _output(["docker", "info", "--format", "{{.ServerVersion}}"])
    except ComposeError as problem:
        raise ComposeError(f"no Docker Engine answers: start it, or join the group docker ({problem})") from problem


def _container(seen: Any) -> Container:  # Any: JSON of `docker inspect`
    state = seen["State"]
    bound = (seen["NetworkSettings"]["Ports"] or {}).items()
    return Container(
        id=seen["Id"],
        service=seen["Config"]["Labels"]["com.docker.compose.service"],
        image=seen["Config"]["Image"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        exit_code=state["ExitCode"],
        ports={port: int(hosts[0]["HostPort"]) for port, hosts in bound if hosts},
    )


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _output(line: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    except OSError as problem:
        raise ComposeError(f"{line[0]}: {problem.strerror}") from problem
    if done.returncode:
        raise ComposeError(done.stderr.strip() or f"{shlex.join(line)} failed")
    return done.stdout
