"""Plans the sample backends and ports of a development run, before anything starts."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LOOPBACK = "127.0.0.1"
PORTS = 2**16
OFFSET = "PORT_OFFSET"
GRPC_SUFFIX = "_grpc"


class PlanError(Exception):
    """The run cannot start; the message says what to change."""


@dataclass(frozen=True, slots=True)
class SampleBackend:
    """One endpoint of clusters.yaml on this machine, with a gRPC port if its service has a cluster for gRPC."""

    name: str
    port: int
    grpc_port: int | None

    def ports(self) -> tuple[int, ...]:
        """The ports on which it listens."""
        return (self.port,) if self.grpc_port is None else (self.port, self.grpc_port)


@dataclass(frozen=True, slots=True)
class NeededPort:
    """A port, the program that needs it, and the setting for another one (empty: it is from clusters.yaml)."""

    number: int
    owner: str
    setting: str = ""


def sample_backends(clusters: Path, offset: int = 0) -> tuple[SampleBackend, ...]:
    """Return a sample backend for each loopback endpoint in Envoy's clusters file, with `offset` added to its ports.

    Raises PlanError where the file cannot be read.
    `<service>_grpc` is the gRPC side of `<service>`: its first endpoint belongs to the service's first one, and so on.
    """
    try:
        ports = dict(_ports(yaml.safe_load(clusters.read_text("utf-8")), offset))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
        raise PlanError(f"{clusters} cannot be read as Envoy's clusters: {problem}") from problem
    return tuple(
        SampleBackend(f"{service}-{index + 1}", port, _at(ports.get(service + GRPC_SUFFIX, ()), index))
        for service, service_ports in ports.items()
        if not service.endswith(GRPC_SUFFIX)
        for index, port in enumerate(service_ports)
    )


def sample_ports(clusters: Path) -> tuple[int, ...]:
    """Return every port of a sample backend, as in the clusters file. Raises PlanError."""
    return tuple(port for each in sample_backends(clusters) for port in each.ports())


def check_free(needed: Iterable[NeededPort], command: str = "make up", offset: int = 0) -> None:
    """Raise PlanError with a line for each port that is in use or needed twice, and the command to type.

    `offset` is what was added to each port already, so that the advice is another one.
    """
    owners: dict[int, str] = {}
    problems: list[str] = []
    taken: list[tuple[NeededPort, str]] = []
    for port in needed:
        if not 0 < port.number < PORTS:
            problems.append(f"port {port.number}, for {port.owner}, is none: choose another {OFFSET}")
            continue
        other = owners.setdefault(port.number, port.owner)
        if other != port.owner:
            problems.append(f"port {port.number} is meant for {other} and for {port.owner}: give one of them another")
            continue
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, port.number))
        except OSError as problem:
            taken.append((port, _refusal(port, problem)))
    if problems or taken:
        raise PlanError("\n".join((*problems, *_advice(taken, command, offset))))


def _refusal(port: NeededPort, problem: OSError) -> str:
    reason = "is in use" if problem.errno == errno.EADDRINUSE else f"cannot be used ({os.strerror(problem.errno or 0)})"
    return f"port {port.number} {reason}, and {port.owner} needs it"


def _advice(taken: Sequence[tuple[NeededPort, str]], command: str, offset: int) -> Iterator[str]:
    """Yield a line for each port; the last one also says what to do about all of them."""
    everything = f"move every port: {command} {OFFSET}={_another(offset)}"
    match taken:
        case []:
            return
        case [(port, refusal)]:
            instead = f"{command} {port.setting}={_another(port.number)}" if port.setting else everything
            yield f"{refusal}: end the program that listens there, or {instead}"
        case _:
            yield from (refusal for _, refusal in taken)
            yield f"end the programs that listen there, or {everything}"


def _another(port: int) -> int:
    return port + 1000 if port + 1000 < PORTS else port - 1000


def _ports(clusters: Any, offset: int) -> Iterator[tuple[str, tuple[int, ...]]]:  # Any: YAML that is not checked yet
    for cluster in clusters["resources"]:
        addresses = (
            endpoint["endpoint"]["address"]["socket_address"]
            for locality in cluster["load_assignment"]["endpoints"]
            for endpoint in locality["lb_endpoints"]
        )
        yield cluster["name"], tuple(int(at["port_value"]) + offset for at in addresses if at["address"] == LOOPBACK)


def _at(ports: tuple[int, ...], index: int) -> int | None:
    return ports[index] if index < len(ports) else None
