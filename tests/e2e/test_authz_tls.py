"""Envoy asks an authz that listens on TCP with TLS, as docs/deploy.md has it; both sides renew without a restart."""

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from dataclasses import replace as with_
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificates import Certificate, pem
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import Envoy, get
from tests.support.files import edit
from tests.support.files import replace as put
from tests.support.integration.service import Service, running
from tests.support.minting import Minter
from tests.support.repository import ROOT
from tests.support.tls import ENVOY, NOW, RENEWED, ROOT_CA, SERVER_NAME, SPIFFE, TlsFolder, key_pem
from tests.support.waiting import until

COMPLETIONS: Final = "/ai/v2/code/completions"
WORKERS: Final = 2
NEXT_CA: Final = Certificate("next clients", ca=True, now=NOW)


@dataclass(frozen=True, slots=True)
class Remote:
    """An Envoy, and the authz that it asks over TLS."""

    envoy: Envoy
    authz: Service
    server: TlsFolder
    client: TlsFolder
    door: HttpClient

    def is_open(self) -> bool:
        """Whether Envoy takes every worker for healthy."""
        return self.envoy.healthy("authz") == WORKERS

    def statistic(self, name: str) -> int:
        """Return a count of Envoy's about the cluster of authz."""
        page = get(self.envoy.admin.port, f"/stats?filter=^cluster.authz.ssl.{name}$").body.decode()
        return int(page.rpartition(":")[2])

    def restart_workers(self) -> None:
        """Kill every worker, so that Envoy must connect again."""
        started = len(self.authz.events("worker_listening"))
        for number in range(WORKERS):
            os.kill(self.authz.worker(number), signal.SIGKILL)
        self.authz.wait_for("worker_listening", started + WORKERS)

    def allowed(self) -> int:
        """Return the status of a good request."""
        return self.door.ask("POST", COMPLETIONS, ["complete_code"]).status


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that are free now."""
    while True:
        with closing(socket.create_server(("127.0.0.1", 0))) as found:
            first: int = found.getsockname()[1]
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except (OSError, OverflowError):
            continue
        return first


def documented(port: int) -> tuple[tuple[str, str], ...]:
    """Return the edit that the page describes, with the ports of this authz."""
    shipped = (ROOT / "envoy" / "envoy.yaml").read_text("utf-8")
    (old,) = re.findall(
        r"^  - name: authz\n.*?watched_directory: \{path: run/authz\}\n", shipped, re.MULTILINE | re.DOTALL
    )
    section = (ROOT / "docs" / "deploy.md").read_text("utf-8").partition("## authz on another machine")[2]
    new = section.partition("```yaml\n")[2].partition("```")[0]
    for number in range(WORKERS):
        told = f"address: {SERVER_NAME}, port_value: {9_000 + number}"
        assert told in new
        new = new.replace(told, f"address: 127.0.0.1, port_value: {port + number}")
    return ((old, new),)


def write_client(folder: TlsFolder, client: Certificate) -> None:
    """Write what Envoy shows, and the authority that it trusts, under the names of envoy/authz-client.yaml."""
    folder.folder.mkdir(parents=True, exist_ok=True)
    put(folder.key, key_pem(client))
    put(folder.certificate, pem([client]))
    put(folder.folder / "ca.crt", pem([ROOT_CA]))


@pytest.fixture
def remote(door: Door, mint: Minter, tmp_path: Path) -> Iterator[Remote]:
    """Run an authz with TLS, and an Envoy that asks it."""
    server, client = TlsFolder(tmp_path / "server"), TlsFolder(door.folder / "run" / "authz-tls")
    server.write()
    write_client(client, ENVOY)
    for name in ("authz-client.yaml", "authz-server.yaml"):
        put(client.folder / name, (ROOT / "envoy" / name).read_text("utf-8"))
    port = free_ports(WORKERS)
    listen = ("--listen", f"127.0.0.1:{{{port}+worker}}", "--workers", str(WORKERS))
    flags = ("--keys", str(door.folder / "run" / "keys"), *listen, *server.flags(SPIFFE))
    with (
        running(tmp_path, *flags, listeners=WORKERS) as authz,
        door.another_envoy(tmp_path.name, documented(port)) as envoy,
    ):
        yield Remote(envoy, authz, server, client, HttpClient(envoy.plain, mint))


def test_envoy_asks_over_tls_and_both_sides_renew_while_requests_are_answered(remote: Remote) -> None:
    until(remote.is_open, "both workers, as Envoy sees them")
    assert remote.statistic("handshake") >= WORKERS
    assert remote.door.ask("POST", COMPLETIONS).status == 401
    ended, statuses = threading.Event(), list[int]()

    def load() -> None:
        while not ended.is_set():
            statuses.append(remote.allowed())

    loading = threading.Thread(target=load)
    loading.start()
    try:
        until(lambda: len(statuses) >= 5, "requests before")
        remote.server.write(RENEWED, NEXT_CA)
        write_client(remote.client, with_(ENVOY, name="envoy renewed", signed_by=NEXT_CA))
        remote.authz.wait_for("tls_loaded")
        seen = len(statuses)
        until(lambda: len(statuses) >= seen + 20, "requests after")
    finally:
        ended.set()
        loading.join()
    assert set(statuses) == {200}
    # Old connections stay; these are new, so both sides show what they have renewed.
    before = remote.statistic("handshake")
    remote.restart_workers()
    until(lambda: remote.statistic("handshake") >= before + WORKERS, "new connections to both workers")
    until(remote.is_open, "both workers, as Envoy sees them again")
    until(lambda: remote.allowed() == 200, "a request that is allowed")


def test_envoy_does_not_take_another_for_authz(remote: Remote) -> None:
    assert remote.allowed() == 200
    edit(remote.client.folder / "authz-server.yaml", (SERVER_NAME, "another.example.org"))
    remote.restart_workers()
    until(lambda: remote.statistic("fail_verify_san") > 0, "a refusal of Envoy's")
    answer = remote.door.ask("POST", COMPLETIONS, ["complete_code"])
    assert (answer.status, answer.json()["reason"]) == (503, "not_ready")


def test_authz_does_not_answer_an_envoy_without_an_allowed_name(remote: Remote) -> None:
    assert remote.allowed() == 200
    write_client(remote.client, with_(ENVOY, name="stranger", uris=(SPIFFE + "/other",)))
    remote.restart_workers()
    event = remote.authz.wait_for("client_refused")
    assert event["names"] == [SPIFFE + "/other"]
    answer = remote.door.ask("POST", COMPLETIONS, ["complete_code"])
    assert (answer.status, answer.json()["reason"]) == (503, "not_ready")
