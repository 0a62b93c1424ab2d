"""The gRPC server with TLS: only clients with a certificate of the authority and an allowed name get any answer."""

import socket
import ssl
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server.tls import Credentials, San, SanKind, Security
from tests.support.certificates import Certificate, pem
from tests.support.integration.engine import CHECK, HEALTH, SECONDS, Served, ask, serving
from tests.support.tables import row
from tests.support.tls import (
    CLIENT_CA,
    ENVOY,
    NOW,
    OTHER_CA,
    RENEWED,
    SERVER,
    SPIFFE,
    credentials,
    key_pem,
    secure,
    shown_serial,
)

HOST = "envoy.example.org"


@dataclass(slots=True)
class Tls:
    """TLS of a server, which a test may renew; it notes what was asked and who was refused."""

    shown: Credentials = field(default_factory=credentials)
    handshakes: int = 0
    decided: list[bytes] = field(default_factory=list)
    refused: list[tuple[San, ...]] = field(default_factory=list)

    def security(self, seconds: float = 3_600.0) -> Security:
        """Return what the server is given."""
        return Security(self._current, frozenset(map(San.parse, (SPIFFE, HOST))), self._refused, seconds)

    def check(self, message: bytes) -> bytes:
        """Note a check, and echo it."""
        self.decided.append(message)
        return message

    def _current(self) -> Credentials:
        self.handshakes += 1
        return self.shown

    def _refused(self, names: Iterable[San]) -> None:
        self.refused.append(tuple(names))


@pytest.fixture
def tls() -> Tls:
    """Make TLS with the usual certificates."""
    return Tls()


@pytest.fixture
def served(tls: Tls) -> Iterator[Served]:
    """Run a server that echoes."""
    with serving(tls.check, "127.0.0.1:0", security=tls.security()) as served:
        yield served


def refusal(call: Callable[[], object]) -> grpc.StatusCode:
    """Return the code of an RPC that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def client(**how: object) -> Certificate:
    """Describe a client's certificate of the right authority."""
    return replace(Certificate("client", signed_by=CLIENT_CA, now=NOW), **how)  # type: ignore[arg-type]  # its fields


@pytest.mark.parametrize(
    "shown",
    [
        row("a SPIFFE ID", ENVOY),
        row("a host", client(dns=(HOST,))),
        row("one of several names", client(dns=("a.example.org", HOST), uris=("https://example.org",))),
    ],
)
def test_a_client_with_an_allowed_name_gets_answers_and_health(served: Served, tls: Tls, shown: Certificate) -> None:
    with secure(served.address, shown) as channel:
        assert ask(channel, b"one") == b"one"
        status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS).status
    assert status == health_pb2.HealthCheckResponse.SERVING
    assert tls.refused == []


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        row("no name", client(), []),
        row("another host", client(dns=("other.example.org",)), [San(SanKind.DNS, "other.example.org")]),
        row("another SPIFFE ID", client(uris=(SPIFFE + "/x",)), [San(SanKind.URI, SPIFFE + "/x")]),
        row("the name as its subject only", client(name=HOST), []),
        row("a wildcard", client(dns=("*.example.org",)), [San(SanKind.DNS, "*.example.org")]),
        row("the host as a URI", client(uris=(HOST,)), [San(SanKind.URI, HOST)]),
    ],
)
def test_a_client_without_an_allowed_name_is_refused_undecided_and_told_of(
    served: Served, tls: Tls, shown: Certificate, names: list[San]
) -> None:
    with secure(served.address, shown) as channel:
        for path in (CHECK, HEALTH, "/other/Method"):
            assert refusal(lambda path=path: ask(channel, b"", path)) is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[misc]
        assert refusal(lambda: ask(channel, b"again")) is grpc.StatusCode.PERMISSION_DENIED, "nothing is remembered"
    assert tls.decided == []
    assert tls.refused == [tuple(names)] * 4
    assert served.is_idle()


@pytest.mark.parametrize(
    "shown",
    [
        row("no certificate", None),
        row("another authority's", Certificate("x", signed_by=OTHER_CA, uris=(SPIFFE,), now=NOW)),
        row(
            "in the name of the authority",
            Certificate("x", signed_by=CLIENT_CA, forged_by="y", uris=(SPIFFE,), now=NOW),
        ),
        row("expired", client(uris=(SPIFFE,), starts=-100.0, ends=-10.0)),
        row("a server's", client(uris=(SPIFFE,), purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))),
        row("the service's own", SERVER),
    ],
)
def test_a_client_that_the_authority_does_not_vouch_for_gets_no_connection(
    served: Served, tls: Tls, shown: Certificate | None
) -> None:
    with secure(served.address, shown) as channel:
        assert refusal(lambda: ask(channel, b"x")) is grpc.StatusCode.UNAVAILABLE
    with secure(served.address) as channel:
        assert ask(channel, b"good") == b"good", "the server goes on"
    assert tls.decided == [b"good"]


def test_a_client_without_tls_gets_no_answer(served: Served, tls: Tls) -> None:
    with grpc.insecure_channel(served.address) as channel:
        assert refusal(lambda: ask(channel, b"x")) is grpc.StatusCode.UNAVAILABLE
    assert tls.decided == []


def test_a_unix_socket_beside_it_stays_plain(tls: Tls, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    with serving(tls.check, path, "127.0.0.1:0", security=tls.security()) as served:
        with grpc.insecure_channel(path) as channel:
            assert ask(channel, b"unix") == b"unix"
        with secure(served.addresses[1]) as channel:
            assert ask(channel, b"tls") == b"tls"
        with grpc.insecure_channel(served.addresses[1]) as channel:
            assert refusal(lambda: ask(channel, b"plain")) is grpc.StatusCode.UNAVAILABLE
    assert tls.decided == [b"unix", b"tls"]


def handshake(address: str, folder: Path, version: ssl.TLSVersion) -> str | None:
    """Return the version of a TLS connection that a client offers no other version for."""
    (folder / "pair").write_text(pem([ENVOY]) + key_pem(ENVOY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(folder / "pair")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that are to be refused
        context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), SECONDS) as plain, context.wrap_socket(plain) as wrapped:
        return wrapped.version()


def test_tls_is_1_2_or_newer(served: Served, tmp_path: Path) -> None:
    assert handshake(served.address, tmp_path, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert handshake(served.address, tmp_path, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises(ssl.SSLError, match=r"UNEXPECTED_EOF|PROTOCOL_VERSION"):
        handshake(served.address, tmp_path, ssl.TLSVersion.TLSv1_1)


def test_new_connections_get_a_renewed_certificate_and_open_ones_stay(served: Served, tls: Tls) -> None:
    with secure(served.address) as channel:
        assert ask(channel, b"before") == b"before"
        assert shown_serial(served.address) == SERVER.signed.serial_number
        tls.shown = credentials(RENEWED)
        assert shown_serial(served.address) == RENEWED.signed.serial_number
        assert ask(channel, b"after") == b"after"
    with secure(served.address) as channel:
        assert ask(channel, b"new") == b"new"


def test_an_authority_that_is_taken_away_opens_no_new_connection(served: Served, tls: Tls) -> None:
    with secure(served.address) as channel:
        assert ask(channel, b"before") == b"before"
    tls.shown = credentials(client_ca=OTHER_CA)
    with secure(served.address) as channel:
        assert refusal(lambda: ask(channel, b"after")) is grpc.StatusCode.UNAVAILABLE
    with secure(served.address, replace(ENVOY, signed_by=OTHER_CA)) as channel:
        assert ask(channel, b"new") == b"new"
    assert tls.decided == [b"before", b"new"]


def test_credentials_that_grpc_cannot_use_leave_the_old_ones(served: Served, tls: Tls) -> None:
    """Files are checked before; this is the last resort."""
    tls.shown = Credentials(b"none", b"none", b"none")
    assert shown_serial(served.address) == SERVER.signed.serial_number
    with secure(served.address) as channel:
        assert ask(channel, b"x") == b"x"


def test_a_connection_is_replaced_when_it_is_old_and_no_call_is_lost(tls: Tls) -> None:
    with (
        serving(tls.check, "127.0.0.1:0", security=tls.security(seconds=0.2)) as served,
        secure(served.address) as channel,
    ):
        first = tls.handshakes
        while tls.handshakes < first + 3:
            assert ask(channel, b"x") == b"x"
