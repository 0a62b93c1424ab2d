"""The endpoints file: tells Envoy which workers serve (EDS). Envoy never sees it half written."""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

CLUSTER: Final = "authz"
_ASSIGNMENT: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


class EndpointsFileUnusableError(Exception):
    """The file cannot be written there; the text says why and what to do."""


def discovery(addresses: Sequence[str]) -> str:
    """Return Envoy's DiscoveryResponse with one endpoint per address, as JSON, which is YAML too."""
    endpoints = [{"endpoint": {"address": _address(address)}} for address in addresses]
    assignment = {"@type": _ASSIGNMENT, "cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]}
    return json.dumps({"resources": [assignment]}, indent=2) + "\n"


def _address(address: str) -> dict[str, Any]:  # Any: JSON of Envoy's Address
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


class EndpointsFile:
    """The file at one path, from `prepare` to `remove`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Remove what an earlier run left: Envoy starts once the file exists. Raises EndpointsFileUnusableError."""
        folder = self.path.parent
        if not folder.is_dir():
            raise EndpointsFileUnusableError(f"{self._flag()}: folder {folder} does not exist: make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise EndpointsFileUnusableError(f"{self._flag()}: folder {folder} is not writable")
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise EndpointsFileUnusableError(f"{self._flag()}: {error.strerror}") from None

    def write(self, addresses: Sequence[str]) -> None:
        """Write the addresses and move the file into place: Envoy watches for moves only. Raises OSError."""
        prepared = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        try:
            prepared.write_text(discovery(addresses), "utf-8")
            prepared.replace(self.path)
        finally:
            prepared.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the file. Raises OSError."""
        self.path.unlink(missing_ok=True)

    def _flag(self) -> str:
        return f"--endpoints-file {self.path}"
