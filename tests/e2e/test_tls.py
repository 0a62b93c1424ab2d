"""The TLS listener serves both HTTP versions, and loads a new certificate without a restart."""

import socket
import ssl
import uuid
from datetime import UTC, datetime
from typing import Final

import httpx
import pytest
from cryptography import x509

from dev import certificate
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient

COMPLETIONS: Final = "/ai/v2/code/completions"


def trusting(door: Door) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(door.folder / "run" / "tls" / "ca.crt"))


def serial(door: Door) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", door.envoy.tls))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_tls_serves_both_versions_of_http(door: Door, client: HttpClient, http2: bool, version: str) -> None:
    headers = client.headers(COMPLETIONS, ["complete_code"])
    with httpx.Client(http1=not http2, http2=http2, verify=trusting(door)) as browser:
        allowed = browser.post(f"https://localhost:{door.envoy.tls}{COMPLETIONS}", headers=headers)
        refused = browser.post(f"https://localhost:{door.envoy.tls}{COMPLETIONS}")
    assert (allowed.status_code, allowed.http_version) == (200, version)
    assert dict(allowed.json()["headers"])["x-forwarded-proto"] == "https"
    assert (refused.status_code, refused.json()["reason"]) == (401, "missing_authorization")
    line = door.log_line(headers["x-request-id"])
    assert (line["protocol"], line["tls"]) == (version, "TLSv1.3")


def test_alpn_prefers_http2(door: Door) -> None:
    context = trusting(door)
    context.set_alpn_protocols(["http/1.1", "h2"])
    with (
        socket.create_connection(("127.0.0.1", door.envoy.tls), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"


def test_a_replaced_certificate_is_shown_without_a_restart(door: Door, client: HttpClient) -> None:
    folder = door.folder / "run" / "tls"
    before = serial(door)
    (folder / "ca.crt").unlink()  # incomplete, so a new one is made
    certificate.ensure(folder, datetime.now(UTC))
    door.wait_until(lambda: serial(door) != before, "the new certificate")
    assert door.envoy.child.exit_code() is None
    with httpx.Client(verify=trusting(door)) as browser:
        headers = client.headers(COMPLETIONS, ["complete_code"], overrides={"x-request-id": uuid.uuid4().hex})
        assert browser.post(f"https://localhost:{door.envoy.tls}{COMPLETIONS}", headers=headers).status_code == 200
