"""Settings of the server: what its flags and environment variables may say, and what the machine allows."""

import ipaddress
import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from authz.server.tls import San
from authz.serving.reload.tls_files import TlsFiles

MAX_SOCKET_PATH: Final = 107
MAX_PORT: Final = 65_535
USUAL_PORT: Final = 9_000
MAX_WORKERS: Final = 256
_WORKER: Final = re.compile(r"\{(?:([0-9]{1,5})\+)?worker\}")
_NETWORK: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_COUNTED_PORT: Final = re.compile(r"[0-9]+|\{0*[1-9][0-9]*\+worker\}")
_CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_ENDPOINTS_SUFFIXES: Final = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class AddressTemplate:
    """Where workers listen: `HOST:PORT` or `unix:PATH`, in which `{worker}` or `{9000+worker}` counts them from 0."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "AddressTemplate":
        """Return the template. Raises ValueError, with what to correct, for what is no address."""
        template = cls(text)
        address = template.address(0)
        if "{" in address or "}" in address:
            raise ValueError(f"'{text}' holds braces that are neither {{worker}} nor {{9000+worker}}")
        _check(address, text)
        if not template.is_unix() and _COUNTED_PORT.fullmatch(text.rpartition(":")[2]) is None:
            raise ValueError(f"'{text}' does not say from which port to count: write {template.counted()}")
        return template

    def address(self, worker: int) -> str:
        """Return the address of one worker."""
        return _WORKER.sub(lambda counted: str(int(counted[1] or 0) + worker), self.text)

    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.text.startswith("unix:")

    def counted(self) -> str:
        """Return an address on the network that counts workers from the port of this one, or from the usual one."""
        host, _, port = self.text.rpartition(":")
        first = int(port) if port.isdecimal() and int(port) else USUAL_PORT
        return f"{host}:{{{first}+worker}}"

    def is_counted(self) -> bool:
        """Whether each worker gets an address of its own."""
        return _WORKER.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What `authz serve` was asked to do; durations are seconds."""

    policy: Path
    keys: Path
    environment: str
    listen: tuple[AddressTemplate, ...]
    workers: int
    max_in_flight: int
    max_age: float
    drain: float
    endpoints_file: Path | None
    admin: str
    log_level: str
    log_allow_sample: float
    log_header_values: str
    otlp_endpoint: str | None
    allow_empty_issuers: bool
    allow_unlabelled_routes: bool
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    tls_client_san: tuple[San, ...]
    allow_plaintext_tcp: bool

    def addresses(self, worker: int) -> tuple[str, ...]:
        """Return where one worker listens; the first is what the endpoints file names."""
        return tuple(template.address(worker) for template in self.listen)

    def tls_files(self) -> TlsFiles | None:
        """Return the files of TLS, if TCP listeners have it."""
        if self.tls_certificate is None or self.tls_key is None or self.tls_client_ca is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)


def contradiction(settings: ServeSettings) -> str | None:
    """Return what the settings cannot mean together, and what to write instead; None if they make sense."""
    every = [settings.addresses(worker) for worker in range(settings.workers)]
    if len(set(every[0])) < len(every[0]):
        return "--listen names one address twice"
    for template in settings.listen:
        if settings.workers > 1 and not template.is_counted():
            instead = (
                f"{{worker}} into --listen {template.text}" if template.is_unix() else f"--listen {template.counted()}"
            )
            return f"{settings.workers} workers need an address each: write {instead}"
    addresses = [address for each in every for address in each]
    if len(set(addresses)) < len(addresses):
        return f"--listen gives one address to two of {settings.workers} workers"
    try:
        for address in addresses:
            _check(address, address)
    except ValueError as error:
        return f"--listen, for {settings.workers} workers: {error}"
    return _endpoints_contradiction(settings.endpoints_file, every[0][0]) or _tls_contradiction(settings, addresses)


def _endpoints_contradiction(file: Path | None, address: str) -> str | None:
    if file is None:
        return None
    if file.suffix not in _ENDPOINTS_SUFFIXES:
        return f"--endpoints-file {file}: Envoy reads {', '.join(_ENDPOINTS_SUFFIXES)}"
    if not address.startswith("unix:"):
        host = address.rpartition(":")[0].strip("[]")
        with suppress(ValueError):
            if not ipaddress.ip_address(host).is_unspecified:
                return None
        return f"--endpoints-file tells Envoy the first --listen: '{host}' is no IP address that it could connect to"
    return None


def _tls_contradiction(settings: ServeSettings, addresses: Sequence[str]) -> str | None:
    files = {
        "--tls-certificate": settings.tls_certificate,
        "--tls-key": settings.tls_key,
        "--tls-client-ca": settings.tls_client_ca,
    }
    missing = [flag for flag, file in files.items() if file is None]
    network = [address for address in addresses if not address.startswith("unix:")]
    if len(missing) == len(files):
        if settings.tls_client_san:
            return f"--tls-client-san needs TLS: add {', '.join(files)}"
        return None if settings.allow_plaintext_tcp else _plaintext(network)
    if missing:
        return f"TLS needs three files: add {' and '.join(missing)}"
    if not settings.tls_client_san:
        return (
            "TLS needs the names of the clients that may ask: add --tls-client-san, such as spiffe://example.org/envoy"
        )
    if not network:
        return "--tls-certificate is for TCP, but every --listen is a Unix socket: add --listen HOST:PORT, or remove it"
    if settings.allow_plaintext_tcp:
        return (
            "--allow-plaintext-tcp contradicts --tls-certificate, which gives TLS to every TCP listener: leave one out"
        )
    return None


def _plaintext(network: Sequence[str]) -> str | None:
    """Return what to write instead, if bearer tokens would cross a network that others may read."""
    for address in network:
        if not _is_loopback(address.rpartition(":")[0].strip("[]")):
            return (
                f"--listen {address} would receive bearer tokens unencrypted: add --tls-certificate, --tls-key, "
                "--tls-client-ca and --tls-client-san, listen on 127.0.0.1 or a Unix socket, or accept it with "
                "--allow-plaintext-tcp"
            )
    return None


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def parse_network(text: str) -> str:
    """Return `HOST:PORT`. Raises ValueError for anything else."""
    network = _NETWORK.fullmatch(text)
    if network is None or int(network["port"]) > MAX_PORT:
        raise ValueError(f"'{text}' is no address: write HOST:PORT")
    return text


def parse_collector(text: str) -> str:
    """Return the URL of a collector of traces. Raises ValueError for anything else."""
    with suppress(ValueError):  # brackets that do not close, or a port that is none
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not re.search(r"\s", text):
            return text
    raise ValueError(f"'{text}' is no URL: write http://HOST:PORT")


def cores(quota: Path = _CPU_QUOTA) -> int:
    """Return how many processors this process may use, a container's quota counted."""
    allowed = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        share, period = map(int, quota.read_text("ascii").split())
        allowed = min(allowed, math.ceil(share / period))
    return max(1, allowed)


def default_workers(listen: Sequence[AddressTemplate]) -> int:
    """Return one worker per core where each can have an address of its own, else one."""
    return min(cores(), MAX_WORKERS) if all(template.is_counted() for template in listen) else 1


def _check(address: str, text: str) -> None:
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path or len(path.encode()) > MAX_SOCKET_PATH:
            raise ValueError(f"'{text}': the path of a Unix socket has 1 to {MAX_SOCKET_PATH} bytes")
        return
    network = _NETWORK.fullmatch(address)
    if network is None or int(network["port"]) > MAX_PORT:
        raise ValueError(f"'{text}' is no address: write HOST:PORT or unix:PATH")
