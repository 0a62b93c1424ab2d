"""What a development run starts, and the ports that it needs before anything starts."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LOOPBACK = "127.0.0.1"
GRPC_SUFFIX = "_grpc"


class PlanError(Exception):
    """The run cannot start as things are; the message says what to change."""


@dataclass(frozen=True, slots=True)
class SampleBackend:
    """One endpoint of clusters.yaml on this machine, with a gRPC port where its service has a cluster for gRPC."""

    name: str
    port: int
    grpc_port: int | None

    def ports(self) -> tuple[int, ...]:
        """Every port it listens on."""
        return (self.port,) if self.grpc_port is None else (self.port, self.grpc_port)


@dataclass(frozen=True, slots=True)
class NeededPort:
    """A port, who listens on it, and how to ask for another one (empty: clusters.yaml says it)."""

    number: int
    owner: str
    setting: str = ""


def sample_backends(clusters: Path) -> tuple[SampleBackend, ...]:
    """A sample backend for each loopback endpoint in Envoy's clusters file. Raises PlanError where it cannot be read.

    `<service>_grpc` is the gRPC side of `<service>`: its first endpoint belongs to the service's first one, and so on.
    """
    try:
        ports = dict(_ports(yaml.safe_load(clusters.read_text("utf-8"))))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
        raise PlanError(f"{clusters} cannot be read as Envoy's clusters: {problem}") from problem
    return tuple(
        SampleBackend(f"{service}-{index + 1}", port, _at(ports.get(service + GRPC_SUFFIX, ()), index))
        for service, service_ports in ports.items()
        if not service.endswith(GRPC_SUFFIX)
        for index, port in enumerate(service_ports)
    )


def check_free(needed: Iterable[NeededPort]) -> None:
    """Raises PlanError for the first port that cannot be listened on, or that two want."""
    owners: dict[int, str] = {}
    for port in needed:
        other = owners.setdefault(port.number, port.owner)
        if other != port.owner:
            raise PlanError(f"port {port.number} is meant for {other} and for {port.owner}: give one of them another")
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, port.number))
        except OSError as problem:
            raise PlanError(_refusal(port, problem)) from problem


def _refusal(port: NeededPort, problem: OSError) -> str:
    reason = "is in use" if problem.errno == errno.EADDRINUSE else f"cannot be used ({os.strerror(problem.errno or 0)})"
    mend = (
        f"make up {port.setting}={port.number + 1000}" if port.setting else "change it in envoy/dynamic/clusters.yaml"
    )
    return f"port {port.number} {reason}, and {port.owner} needs it: end the program that listens there, or {mend}"


def _ports(clusters: Any) -> Iterator[tuple[str, tuple[int, ...]]]:  # Any: YAML that nobody has checked yet
    for cluster in clusters["resources"]:
        addresses = (
            endpoint["endpoint"]["address"]["socket_address"]
            for locality in cluster["load_assignment"]["endpoints"]
            for endpoint in locality["lb_endpoints"]
        )
        yield cluster["name"], tuple(int(at["port_value"]) for at in addresses if at["address"] == LOOPBACK)


def _at(ports: tuple[int, ...], index: int) -> int | None:
    return ports[index] if index < len(ports) else None
