"""`authz serve` with TLS: who gets in, how files are renewed, and which files and flags it refuses."""

import json
import os
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc
import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from tests.support.certificates import Certificate
from tests.support.files import replace as put
from tests.support.integration.caller import CHECK, Caller, healthy
from tests.support.integration.service import SECONDS, Service, refused, running
from tests.support.tls import (
    CLIENT_CA,
    ENVOY,
    NOW,
    OTHER_CA,
    RENEWED,
    SERVER,
    SPIFFE,
    TlsFolder,
    key_pem,
    secure,
    shown_serial,
)
from tests.support.waiting import until

LISTEN: Final = ("--keys", "keys", "--listen", "127.0.0.1:0")
STRANGER: Final = Certificate("stranger", signed_by=CLIENT_CA, dns=("stranger.example.org", "b\n.example"), now=NOW)


@pytest.fixture
def tls(folder: Path) -> TlsFolder:
    """The three files of TLS."""
    made = TlsFolder(folder / "tls")
    made.write()
    return made


@pytest.fixture
def service(folder: Path, tls: TlsFolder) -> Iterator[Service]:
    """A service with TLS, and a Unix socket beside it."""
    with running(folder, *LISTEN, "--listen", "unix:a.sock", *tls.flags(SPIFFE), listeners=2) as started:
        yield started


def code(address: str, client: Certificate | None = ENVOY) -> int:
    """Return the code of the answer to a good request over a new connection; 0 allows."""
    with secure(address, client) as channel:
        answer = CheckResponse.FromString(channel.unary_unary(CHECK, bytes, bytes)(healthy(), timeout=SECONDS))
    return int(answer.status.code)


def refusal(address: str, client: Certificate | None) -> grpc.StatusCode:
    """Return why a client got no answer."""
    with pytest.raises(grpc.RpcError) as caught:
        code(address, client)
    found: grpc.StatusCode = caught.value.code()
    return found


def metric(service: Service, name: str) -> float:
    """Return a metric without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.admin_port()}/metrics", timeout=SECONDS) as page:
        (value,) = re.findall(rf"^{name} (\S+)$", page.read().decode(), re.MULTILINE)
    return float(value)


def test_envoy_gets_in_by_its_name_and_nobody_else(service: Service, folder: Path) -> None:
    address = service.addresses()[0]
    assert code(address) == 0
    assert refusal(address, None) is grpc.StatusCode.UNAVAILABLE
    assert (
        refusal(address, Certificate("x", signed_by=OTHER_CA, uris=(SPIFFE,), now=NOW)) is grpc.StatusCode.UNAVAILABLE
    )
    assert [refusal(address, STRANGER) for _ in range(3)] == [grpc.StatusCode.PERMISSION_DENIED] * 3
    event = service.wait_for("client_refused", level="warning", worker=0)
    assert (event["names"], event["refusals"]) == (["stranger.example.org", "b\n.example"], 1)
    until(lambda: metric(service, "authz_client_refusals_total") == 3, "three refusals")
    with Caller(folder / "a.sock") as caller:
        assert caller.code(healthy()) == 0, "the Unix socket stays plain"
    assert len(service.events("client_refused")) == 1, "one line in ten seconds"
    assert all(json.loads(line) for line in service.log().splitlines()), "every line is JSON"
    assert "PRIVATE KEY" not in service.log()


def test_variables_say_the_same(folder: Path, tls: TlsFolder) -> None:
    variables = {
        "AUTHZ_TLS_CERTIFICATE": str(tls.certificate),
        "AUTHZ_TLS_KEY": str(tls.key),
        "AUTHZ_TLS_CLIENT_CA": str(tls.client_ca),
        "AUTHZ_TLS_CLIENT_SAN": f"envoy.example.org,{SPIFFE}",
    }
    with running(folder, *LISTEN, variables=variables) as service:
        assert code(service.addresses()[0]) == 0


# ---- renewal


def test_a_renewed_certificate_is_shown_without_a_restart_and_no_check_is_refused(
    service: Service, tls: TlsFolder
) -> None:
    address = service.addresses()[0]
    ended, answers = threading.Event(), list[int]()

    def load() -> None:
        with secure(address) as kept:
            ask = kept.unary_unary(CHECK, bytes, bytes)
            while not ended.is_set():
                answers.append(CheckResponse.FromString(ask(healthy(), timeout=SECONDS)).status.code)
                answers.append(code(address))

    loading = threading.Thread(target=load)
    loading.start()
    try:
        until(lambda: len(answers) >= 4, "checks before the renewal")
        assert shown_serial(address) == SERVER.signed.serial_number
        tls.write(RENEWED)
        until(lambda: shown_serial(address) == RENEWED.signed.serial_number, "the new certificate")
        seen = len(answers)
        until(lambda: len(answers) >= seen + 4, "checks after the renewal")
    finally:
        ended.set()
        loading.join(SECONDS)
    assert set(answers) == {0}
    assert service.wait_for("tls_loaded", level="info")["certificate"] == str(tls.certificate)
    assert len(service.events("worker_started")) == 1
    ends = RENEWED.signed.not_valid_after_utc.timestamp()
    assert metric(service, "authz_tls_certificate_expiry_timestamp_seconds") == ends


def test_a_mounted_secret_is_renewed_by_moving_its_link(folder: Path) -> None:
    """Kubernetes mounts ..data, a link to a folder, and files that are links into it."""
    mount = folder / "mount"
    for name, certificate in (("..one", SERVER), ("..two", RENEWED)):
        TlsFolder(mount / name).write(certificate)
    (mount / "..data").symlink_to("..one")
    for name in ("tls.crt", "tls.key", "clients.crt"):
        (mount / name).symlink_to(f"..data/{name}")
    with running(folder, *LISTEN, *TlsFolder(mount).flags(SPIFFE)) as service:
        address = service.addresses()[0]
        assert shown_serial(address) == SERVER.signed.serial_number
        (mount / "..new").symlink_to("..two")
        (mount / "..new").rename(mount / "..data")
        until(lambda: shown_serial(address) == RENEWED.signed.serial_number, "the new certificate")
        assert not service.events("tls_refused")


def test_a_broken_renewal_keeps_the_old_certificate_in_replaced_workers_too(service: Service, tls: TlsFolder) -> None:
    address = service.addresses()[0]
    put(tls.key, key_pem(RENEWED))
    event = service.wait_for("tls_refused", level="error", file=str(tls.key))
    assert event["cause"] == f"does not belong to the certificate in {tls.certificate}"
    assert (shown_serial(address), code(address)) == (SERVER.signed.serial_number, 0)
    put(tls.client_ca, "nothing")
    os.kill(service.worker(0), signal.SIGKILL)
    service.wait_for("worker_listening", 4)
    address = service.addresses()[2]
    assert (shown_serial(address), code(address)) == (SERVER.signed.serial_number, 0)
    tls.write(RENEWED)
    service.wait_for("tls_loaded")
    until(lambda: shown_serial(address) == RENEWED.signed.serial_number, "the new certificate")
    assert code(address) == 0


def test_a_signal_has_the_files_read_again_and_says_what_they_hold(service: Service, tls: TlsFolder) -> None:
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("tls_loaded")
    put(tls.certificate, "nothing")
    service.wait_for("tls_refused")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("tls_refused", 2, file=str(tls.certificate))


def test_a_new_authority_counts_for_new_connections(service: Service, tls: TlsFolder) -> None:
    address = service.addresses()[0]
    assert code(address) == 0
    tls.write(client_ca=OTHER_CA)
    service.wait_for("tls_loaded")
    newcomer = Certificate("envoy", signed_by=OTHER_CA, uris=(SPIFFE,), now=NOW)

    def is_in() -> bool:
        with secure(address, newcomer) as channel:
            try:
                return bool(channel.unary_unary(CHECK, bytes, bytes)(healthy(), timeout=SECONDS))
            except grpc.RpcError:
                return False

    until(is_in, "the client of the new authority")
    assert refusal(address, ENVOY) is grpc.StatusCode.UNAVAILABLE


def test_a_worker_that_started_after_a_renewal_shows_the_new_certificate(service: Service, tls: TlsFolder) -> None:
    tls.write(RENEWED)
    service.wait_for("tls_loaded")
    os.kill(service.worker(0), signal.SIGKILL)
    service.wait_for("worker_listening", 4)
    assert shown_serial(service.addresses()[2]) == RENEWED.signed.serial_number


# ---- what it refuses


def test_files_that_cannot_be_used_stop_the_start_in_one_line(folder: Path, tls: TlsFolder) -> None:
    put(tls.key, key_pem(RENEWED))
    exit_code, error = refused(folder, *LISTEN, *tls.flags(SPIFFE))
    assert (exit_code, error) == (
        1,
        f"Error: {tls.key}: does not belong to the certificate in {tls.certificate}\n",
    )


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_plain_tcp_beyond_loopback_is_refused_unless_a_flag_allows_it_and_is_logged(folder: Path, address: str) -> None:
    exit_code, error = refused(folder, "--keys", "keys", "--listen", address)
    assert exit_code == 2
    assert error.splitlines()[-1] == (
        f"Error: --listen {address} would receive bearer tokens unencrypted: add --tls-certificate, --tls-key, "
        "--tls-client-ca and --tls-client-san, listen on 127.0.0.1 or a Unix socket, or accept it with "
        "--allow-plaintext-tcp"
    )
    with running(folder, "--keys", "keys", "--listen", address, "--allow-plaintext-tcp") as service:
        assert service.events("check_weakened", level="warning", flag="--allow-plaintext-tcp")


@pytest.mark.parametrize("name", ["*.example.org", "10.0.0.1", "envoy example"])
def test_a_name_that_matches_no_client_is_a_usage_error(folder: Path, tls: TlsFolder, name: str) -> None:
    exit_code, error = refused(folder, *LISTEN, *tls.flags(name))
    assert exit_code == 2
    assert name in error.splitlines()[-1]
