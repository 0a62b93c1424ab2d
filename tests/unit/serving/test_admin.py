"""The admin port answers operators, whatever other clients do."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from authz.documents.findings import Problem
from authz.observing.state import FailedReload
from authz.server.addresses import AddressUnusableError
from authz.serving.admin import MAX_CONNECTIONS, Admin
from tests.unit.observing.test_metrics import LOADED, Still

SECONDS: Final = 30.0
CLIENTS_WORD: Final = "clients-own-word"


class Broken(Still):
    """A supervisor with a bug in it."""

    def policy(self) -> NoReturn:
        raise KeyError(CLIENTS_WORD)


@contextmanager
def served(state: Still | None = None, address: str = "127.0.0.1:0") -> Iterator[str]:
    admin = Admin(address, state or Still(), "1.2.3")
    bound = admin.start()
    try:
        yield bound
    finally:
        admin.stop()


def asked(
    address: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[HTTPResponse, str]:
    host, _, port = address.rpartition(":")
    with closing(HTTPConnection(host.strip("[]"), int(port), timeout=SECONDS)) as connection:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read().decode()


def said(address: str, octets: bytes) -> bytes:
    """Return what comes back for bytes that no HTTP library would send."""
    host, _, port = address.rpartition(":")
    with closing(socket.create_connection((host, int(port)), SECONDS)) as connection:
        connection.sendall(octets)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


def get_json(address: str, path: str) -> tuple[int, dict[str, Any]]:  # Any: JSON
    response, body = asked(address, path)
    assert response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(body)


def test_it_lives() -> None:
    with served() as address:
        assert get_json(address, "/healthz") == (200, {"alive": True})


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_it_is_ready_when_a_worker_serves_a_policy(ready: bool, status: int) -> None:
    with served(Still(ready=ready)) as address:
        assert get_json(address, "/readyz") == (
            status,
            {
                "ready": ready,
                "workers": {"running": 2, "wanted": 3, "restarts": 4},
                "revision": "beff6cf4df160dbc",
                "loaded_at": "1970-01-01T00:33:20.000000Z",
                "last_reload_failure": None,
            },
        )


def test_a_reload_that_failed_is_reported_with_what_to_correct() -> None:
    failure = FailedReload(3_000.0, (Problem(Path("policy/tiers.yml"), 3, "tier 'small' is here twice"),))
    with served(Still(loaded=replace(LOADED, last_failure=failure))) as address:
        status, body = get_json(address, "/readyz")
    assert status == 200, "the old one serves on"
    assert body["last_reload_failure"] == {
        "at": "1970-01-01T00:50:00.000000Z",
        "problems": [{"file": "policy/tiers.yml", "line": 3, "message": "tier 'small' is here twice"}],
    }


def test_a_fleet_can_be_compared() -> None:
    with served() as address:
        expected = {"revision": "beff6cf4df160dbc", "loaded_at": "1970-01-01T00:33:20.000000Z", "version": "1.2.3"}
        assert get_json(address, "/revision") == (200, expected)


def test_metrics_are_there() -> None:
    with served() as address:
        response, body = asked(address, "/metrics?name[]=ignored")
    assert response.status == 200
    assert str(response.headers["Content-Type"]).startswith("text/plain; version=")
    assert "\nauthz_workers_running 2.0\n" in body


def test_head_is_get_without_a_body() -> None:
    with served() as address:
        (got, body), (headed, nothing) = asked(address, "/revision"), asked(address, "/revision", "HEAD")
    assert nothing == ""
    assert headed.status == got.status
    assert headed.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", CLIENTS_WORD])
def test_nothing_can_be_changed(method: str) -> None:
    with served() as address:
        response, body = asked(address, "/healthz", method)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert CLIENTS_WORD not in body


@pytest.mark.parametrize("path", ["/", "/metric", "/metrics/", f"/{CLIENTS_WORD}", "/%6detrics"])
def test_there_is_nothing_else(path: str) -> None:
    with served() as address:
        assert get_json(address, path) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    "octets",
    [
        f"{CLIENTS_WORD}\r\n\r\n".encode(),
        f"GET /healthz {CLIENTS_WORD}\r\n\r\n".encode(),
        f"GET /{CLIENTS_WORD * 10_000} HTTP/1.1\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{CLIENTS_WORD}: {'x' * 70_000}\r\n\r\n".encode(),
        b"GET / HTTP/1.1\r\n" + b"".join(f"{CLIENTS_WORD}-{n}: x\r\n".encode() for n in range(200)) + b"\r\n",
        b"\x16\x03\x01\x02\x00" + CLIENTS_WORD.encode() + b"\n",
        f"GET / HTTP/9.9\r\nHost: {CLIENTS_WORD}\r\n\r\n".encode(),
    ],
    ids=["no request", "no version", "a long path", "a long header", "many headers", "TLS", "a version to come"],
)
def test_what_cannot_be_read_is_refused_in_our_own_words(octets: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with served() as address:
        answer = said(address, octets)
        assert get_json(address, "/healthz")[0] == 200
    assert b"error" in answer
    assert CLIENTS_WORD.encode() not in answer
    assert b"Python" not in answer
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_bug_ends_an_answer_and_not_the_port() -> None:
    with served(Broken()) as address:
        for path in ("/readyz", "/metrics", "/revision"):
            assert get_json(address, path) == (500, {"error": "Internal Server Error"})
        assert get_json(address, "/healthz")[0] == 200


def is_closed(connection: socket.socket) -> bool:
    """Whether a connection is closed although its client goes on, one character at a time."""
    connection.settimeout(0.01)
    deadline = time.monotonic() + SECONDS / 2
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"a")
            return connection.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_slow_clients_do_not_keep_others_out() -> None:
    with served() as address, ExitStack() as idle:
        host, _, port = address.rpartition(":")
        slow = [
            idle.enter_context(closing(socket.create_connection((host, int(port)), SECONDS)))
            for _ in range(MAX_CONNECTIONS)
        ]
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nSlowly: ")
        slow[1].sendall(b"\r\n\r\n")
        assert slow[1].recv(12) == b"HTTP/1.0 200", "it ends its request in time"
        assert is_closed(slow[0]), "although it sends a little now and then"
        assert get_json(address, "/healthz")[0] == 200


def test_a_client_that_goes_away_is_no_event(capfd: pytest.CaptureFixture[str]) -> None:
    with served() as address:
        host, _, port = address.rpartition(":")
        for _ in range(MAX_CONNECTIONS + 8):
            with closing(socket.create_connection((host, int(port)), SECONDS)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert get_json(address, "/healthz")[0] == 200
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_address_that_is_taken_is_one_clear_line() -> None:
    with served() as address, pytest.raises(AddressUnusableError, match="another process listens there"):
        Admin(address, Still(), "1").start()


def test_a_host_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(AddressUnusableError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        Admin("192.0.2.1:0", Still(), "1").start()


def test_a_port_is_free_again_once_it_stopped() -> None:
    admin = Admin("127.0.0.1:0", Still(), "1")
    admin.stop()
    address = admin.start()
    admin.stop()
    with served(address=address) as again:
        assert again == address


def test_ipv6_is_an_address_too() -> None:
    with served(address="[::1]:0") as address:
        assert address.startswith("[::1]:")
        assert get_json(address, "/healthz")[0] == 200
