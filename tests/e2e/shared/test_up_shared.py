"""`make up-shared`, in a copy of what it needs: the door counts by the service, and nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dev.envoy.files import ADMIN, PLAIN, TLS
from dev.ratelimit.program import Programs
from dev.up import shared as up_shared
from dev.up.door import AUTHZ_ADMIN
from dev.up.plan import NeededPort, PlanError, check_free, sample_ports
from tests.integration.test_up import (
    LAST_LINE,
    PATIENCE_SECONDS,
    Checkout,
    Opened,
    apply,
    descendants,
    eventually,
    is_gone,
    make_checkout,
    printed_until,
    send,
)
from tests.support.e2e.processes import SHIPPED, edit
from tests.support.repository import ROOT as REPOSITORY
from tests.support.waiting import until

pytestmark = pytest.mark.shared

USER = "any:    {share: 10%, instance: 600/minute,   user: 60/minute}"


@dataclass(frozen=True, slots=True)
class SharedCheckout:
    """A copy with its shipped ports, all of them moved."""

    checkout: Checkout
    offset: int

    def up(self, **environment: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "dev.up", "--engine", "shared", "--port-offset", str(self.offset))
        return subprocess.Popen(
            command,
            cwd=self.checkout.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def refusal(self, **environment: str) -> str:
        """What it says where it does not start."""
        process = self.up(**environment)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 1
        assert "Traceback" not in output
        return output.partition("\n")[2]


def copied(folder: Path) -> SharedCheckout:
    made = make_checkout(folder)
    clusters = made.folder / "envoy" / "dynamic" / "clusters.yaml"
    clusters.write_text(SHIPPED.clusters.read_text("utf-8"), "utf-8")
    shipped = (PLAIN, TLS, ADMIN, AUTHZ_ADMIN, *up_shared.PORTS, *sample_ports(SHIPPED.clusters))
    offset = next(each for each in range(11_000 + os.getpid() % 997, 22_000, 61) if are_free(shipped, each))
    moved = tuple(port + offset for port in shipped)
    return SharedCheckout(Checkout(made.folder, (moved[0], moved[1], moved[2], moved[3]), moved[4:]), offset)


def are_free(ports: tuple[int, ...], offset: int) -> bool:
    try:
        check_free(NeededPort(port + offset, str(port)) for port in ports)
    except PlanError:
        return False
    return True


@pytest.fixture
def own(tmp_path: Path, built: Programs) -> SharedCheckout:
    assert built.exist()
    return copied(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, built: Programs) -> SharedCheckout:
    assert built.exist()
    return copied(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def door(shared: SharedCheckout) -> Iterator[Opened]:
    with shared.up() as process:
        try:
            yield Opened(shared.checkout, process, printed_until(process, LAST_LINE))
        finally:
            process.terminate()


def test_the_printed_requests_are_answered_as_printed_and_counted_by_the_service(door: Opened) -> None:
    let_in, refused = map(send, door.requests())
    assert (let_in.status_code, refused.status_code) == (200, 403)
    assert let_in.headers["x-ratelimit-limit"] == "60, 60;w=60"


def test_it_says_where_to_look_and_that_is_true(door: Opened, shared: SharedCheckout) -> None:
    service = up_shared.service(shared.offset)
    enforced, metrics = (f"http://127.0.0.1:{port}" for port in (service.debug, service.metrics))
    assert f"{enforced}/rlconfig" in door.printed
    assert f"{metrics}/metrics" in door.printed
    assert "users.backend_service_ai_gateway" in send(httpx.Request("GET", f"{enforced}/rlconfig")).text
    # The service hands its counters to the exporter every few seconds.
    until(lambda: "ratelimit_service_config_load_success" in send(httpx.Request("GET", f"{metrics}/metrics")).text)


def test_everything_listens_on_loopback(door: Opened) -> None:
    """Asked by an address that is this machine's, but not loopback's: 127.0.0.1 is bound, 127.0.0.2 is not."""
    services = range(up_shared.PORTS[0], up_shared.PORTS[-1] + 1)
    assert len(services) == len(up_shared.PORTS)
    for port in door.checkout.backends[: len(services)]:
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.2", port))


def test_an_edited_limit_is_applied_and_confirmed(door: Opened, shared: SharedCheckout) -> None:
    limits = door.checkout.folder / "envoy" / "limits.yaml"
    edit(limits, [(USER, USER.replace("60/minute}", "61/minute}"))])
    users = "run/envoy/rendered/shared/ratelimit/users.yaml"
    assert apply(door.checkout) == f"{users}: the rate limit service enforces it now; its counts are kept\n"
    assert send(door.requests()[0]).headers["x-ratelimit-limit"] == "61, 61;w=60"
    assert "requests_per_unit=61," in "".join(up_shared.service(shared.offset).enforced())
    assert apply(door.checkout) == "run/envoy: nothing to apply\n"


def test_ctrl_c_ends_all_of_it(own: SharedCheckout) -> None:
    with own.up() as process:
        printed_until(process, LAST_LINE)
        running = descendants(process.pid)
        assert {name for name in ("redis-server", "service_cmd") if any(name in each for each in running.values())} == {
            "redis-server",
            "service_cmd",
        }
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert eventually(lambda: is_gone(own.checkout, running))


def test_a_port_of_the_service_in_use_is_one_clear_line(own: SharedCheckout) -> None:
    taken = up_shared.service(own.offset).redis
    with socket.create_server(("127.0.0.1", taken)):
        assert own.refusal() == (
            f"make up-shared: port {taken} is in use, and Redis needs it: "
            "end the program that listens there, or move every port: "
            f"make up-shared PORT_OFFSET={own.offset + 1000}\n"
        )


def test_limits_that_make_no_sense_are_an_error_before_the_service_starts(own: SharedCheckout) -> None:
    edit(own.checkout.folder / "envoy" / "limits.yaml", [("capacity: 60000/minute", "capacity: 60000/fortnight")])
    output = own.refusal()
    assert "make up-shared: Envoy would refuse its configuration\nenvoy/limits.yaml:14: " in output
    assert "fortnight" in output
    assert "  ratelimit " not in output


def test_a_machine_without_redis_is_told_how_to_get_it(own: SharedCheckout, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert own.refusal(PATH=str(empty)) == (
        "make up-shared: there is no redis-server in PATH: install it, on Debian with apt-get install redis-server\n"
    )


def test_make_knows_the_targets() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    assert "\t@$(BIN)/python -m dev.up --engine shared\n" in makefile
    assert "\t@$(BIN)/python -m pytest --quiet tests/e2e -m shared\n" in makefile
