"""Where workers listen, how many there are, and what settings cannot mean together."""

import os
from pathlib import Path

import pytest

from authz.server.tls import San
from authz.serving.settings import (
    MAX_SOCKET_PATH,
    AddressTemplate,
    ServeSettings,
    contradiction,
    cores,
    default_workers,
    parse_collector,
    parse_network,
)
from tests.support.tables import row


def settings(
    *listen: str,
    workers: int = 1,
    endpoints_file: str | None = None,
    tls: tuple[str | None, str | None, str | None] = (None, None, None),
    clients: tuple[str, ...] = (),
    plaintext: bool = False,
) -> ServeSettings:
    certificate, key, client_ca = (None if file is None else Path(file) for file in tls)
    return ServeSettings(
        policy=Path("policy"),
        keys=Path("keys"),
        environment="production",
        listen=tuple(map(AddressTemplate.parse, listen)),
        workers=workers,
        max_in_flight=1_000,
        max_age=0.5,
        drain=5.0,
        endpoints_file=None if endpoints_file is None else Path(endpoints_file),
        admin="127.0.0.1:9091",
        log_level="info",
        log_allow_sample=1.0,
        log_header_values="hashed",
        otlp_endpoint=None,
        allow_empty_issuers=False,
        allow_unlabelled_routes=False,
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=client_ca,
        tls_client_san=tuple(map(San.parse, clients)),
        allow_plaintext_tcp=plaintext,
    )


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        row("without a template", "127.0.0.1:9000", ["127.0.0.1:9000", "127.0.0.1:9000"]),
        row("a port counted from a number", "0.0.0.0:{9000+worker}", ["0.0.0.0:9000", "0.0.0.0:9002"]),
        row("a host for each", "h{worker}:9000", ["h0:9000", "h2:9000"]),
        row("a socket for each", "unix:/run/{worker}.sock", ["unix:/run/0.sock", "unix:/run/2.sock"]),
        row("a relative socket", "unix:run/a.sock", ["unix:run/a.sock", "unix:run/a.sock"]),
        row("IPv6", "[::1]:9000", ["[::1]:9000", "[::1]:9000"]),
        row("any free port", "localhost:0", ["localhost:0", "localhost:0"]),
        row("twice", "unix:/{worker}/{7+worker}", ["unix:/0/7", "unix:/2/9"]),
    ],
)
def test_a_template_gives_each_worker_its_address(text: str, addresses: list[str]) -> None:
    template = AddressTemplate.parse(text)
    assert [template.address(0), template.address(2)] == addresses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        row("empty", "", "is no address"),
        row("a port alone", "9000", "is no address"),
        row("a host alone", "host", "is no address"),
        row("no port", "host:", "is no address"),
        row("no host", ":9000", "is no address"),
        row("a port beyond the last", "host:65536", "is no address"),
        row("another word", "host:{65535+workers}", "holds braces"),
        row("ports from 0", "host:{worker}", r"from which port to count: write host:\{9000\+worker\}"),
        row("from 0 in words", "host:{0+worker}", r"from which port to count: write host:\{9000\+worker\}"),
        row("a digit of a port", "host:90{worker}", "does not say from which port"),
        row("digits that are not ASCII", "host:٣٣٣", "is no address"),
        row("IPv6 without brackets", "::1:9000", "is no address"),
        row("a URL", "http://host:9000", "is no address"),
        row("a path", "host:9000/path", "is no address"),
        row("a socket without a path", "unix:", "has 1 to 107 bytes"),
        row("a socket's path is counted in bytes", "unix:/" + "é" * 60, "has 1 to 107 bytes"),
        row("another name", "unix:/{name}.sock", "holds braces that are neither"),
        row("a plus without a number", "unix:/{+worker}.sock", "holds braces that are neither"),
        row("an open brace", "unix:/{worker.sock", "holds braces that are neither"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AddressTemplate.parse(text)


def test_a_sockets_path_may_be_as_long_as_the_system_allows() -> None:
    longest = "unix:/" + "a" * (MAX_SOCKET_PATH - 1)
    assert AddressTemplate.parse(longest).address(0) == longest


def test_a_worker_listens_on_its_address_of_each_template() -> None:
    made = settings("unix:{worker}.sock", "h:{9000+worker}", workers=3)
    assert made.addresses(2) == ("unix:2.sock", "h:9002")


@pytest.mark.parametrize(
    ("listen", "workers"),
    [
        row("one worker without a template", ["127.0.0.1:9000"], 1),
        row("one worker on two addresses", ["unix:a", "127.0.0.1:0"], 1),
        row("any free port", ["127.0.0.1:0"], 1),
        row("several with templates", ["unix:{worker}", "127.0.0.1:{9000+worker}"], 8),
    ],
)
def test_what_makes_sense_is_no_contradiction(listen: list[str], workers: int) -> None:
    assert contradiction(settings(*listen, workers=workers)) is None


@pytest.mark.parametrize(
    ("listen", "workers", "message"),
    [
        row("twice", ["unix:a", "unix:a"], 1, "--listen names one address twice"),
        row(
            "no template",
            ["unix:{worker}", "127.0.0.1:9000"],
            2,
            "2 workers need an address each: write --listen 127.0.0.1:{9000+worker}",
        ),
        row(
            "no template, on a port of one's own",
            ["[::1]:12990"],
            2,
            "2 workers need an address each: write --listen [::1]:{12990+worker}",
        ),
        row("no template, any port", ["h:0"], 2, "2 workers need an address each: write --listen h:{9000+worker}"),
        row(
            "no name of a socket", ["unix:a"], 2, "2 workers need an address each: write {worker} into --listen unix:a"
        ),
        row(
            "templates that meet",
            ["h:{9000+worker}", "h:{9001+worker}"],
            2,
            "--listen gives one address to two of 2 workers",
        ),
        row(
            "beyond the last port",
            ["h:{65535+worker}"],
            2,
            "--listen, for 2 workers: 'h:65536' is no address: write HOST:PORT or unix:PATH",
        ),
        row(
            "a path that grows too long",
            ["unix:" + "a" * 106 + "{worker}"],
            11,
            "--listen, for 11 workers: '{}': the path of a Unix socket has 1 to 107 bytes".format(
                "unix:" + "a" * 106 + "10"
            ),
        ),
    ],
)
def test_addresses_that_cannot_be_are_reported(listen: list[str], workers: int, message: str) -> None:
    assert contradiction(settings(*listen, workers=workers)) == message


@pytest.mark.parametrize("address", ["unix:run/{worker}.sock", "127.0.0.1:9000", "[::1]:9000"])
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_envoy_can_be_given_paths_and_ip_addresses(address: str, suffix: str) -> None:
    assert contradiction(settings(address, endpoints_file=f"e{suffix}")) is None


@pytest.mark.parametrize(
    ("address", "file", "message"),
    [
        ("unix:a", "e", "--endpoints-file e: Envoy reads .json, .yaml, .yml"),
        *(
            (
                f"{host}:9000",
                "e.json",
                f"--endpoints-file tells Envoy the first --listen: '{host.strip('[]')}' is no IP address that it "
                "could connect to",
            )
            for host in ("localhost", "0.0.0.0", "[::]")
        ),
    ],
)
def test_what_envoy_cannot_be_given_is_refused(address: str, file: str, message: str) -> None:
    assert contradiction(settings(address, "127.0.0.1:9001", endpoints_file=file)) == message


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000\n", None), ("50000 100000\n", 1), ("100000 100000\n", 1), ("nonsense", None)]
)
def test_a_containers_quota_counts(tmp_path: Path, quota: str, most: int | None) -> None:
    machine = len(os.sched_getaffinity(0))
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cores(file) == (machine if most is None else most)
    assert cores(tmp_path / "none") == machine


def test_there_is_one_worker_per_core_where_each_can_have_an_address() -> None:
    counted, plain = AddressTemplate.parse("unix:{worker}"), AddressTemplate.parse("unix:a")
    assert default_workers([counted]) == cores()
    assert default_workers([counted, plain]) == 1


@pytest.mark.parametrize("text", ["127.0.0.1:9091", "localhost:0", "[::1]:9091"])
def test_a_network_address_is_host_and_port(text: str) -> None:
    assert parse_network(text) == text


@pytest.mark.parametrize("text", ["", "9091", ":9091", "h:65536", "unix:a", "h:{9000+worker}"])
def test_anything_else_is_no_network_address(text: str) -> None:
    with pytest.raises(ValueError, match="is no address: write HOST:PORT"):
        parse_network(text)


@pytest.mark.parametrize("text", ["http://collector:4318", "https://c.example/v1/traces"])
def test_a_collector_is_a_url(text: str) -> None:
    assert parse_collector(text) == text


@pytest.mark.parametrize(
    "text", ["", "collector:4318", "ftp://c", "http://", "http://a b", "http://[", "http://a:0", "http://a:b"]
)
def test_anything_else_is_no_collector(text: str) -> None:
    with pytest.raises(ValueError, match="is no URL"):
        parse_collector(text)


# ---- TLS

ALL_FILES = ("tls.crt", "tls.key", "clients.crt")
NEEDS_TLS = (
    "would receive bearer tokens unencrypted: add --tls-certificate, --tls-key, --tls-client-ca and --tls-client-san, "
    "listen on 127.0.0.1 or a Unix socket, or accept it with --allow-plaintext-tcp"
)


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "127.8.9.1:9000", "[::1]:9000", "localhost:9000", "unix:a"])
def test_what_does_not_leave_the_machine_needs_no_tls(address: str) -> None:
    assert contradiction(settings(address)) is None


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:9000", "[::]:9000", "10.0.0.1:9000", "authz:9000", "localhost.example.org:9000", "127.1:9000", "1:9000"],
)
def test_plain_tcp_beyond_loopback_is_refused_unless_that_is_allowed(address: str) -> None:
    assert contradiction(settings("unix:a", address)) == f"--listen {address} {NEEDS_TLS}"
    assert contradiction(settings("unix:a", address, plaintext=True)) is None
    assert contradiction(settings("unix:a", address, tls=ALL_FILES, clients=("envoy.example.org",))) is None


def test_tls_may_be_on_loopback_too() -> None:
    assert contradiction(settings("127.0.0.1:9000", tls=ALL_FILES, clients=("envoy.example.org",))) is None


def test_each_of_several_workers_is_looked_at() -> None:
    made = settings("127.0.0.{worker}:9000", "10.0.0.{worker}:9000", workers=2)
    assert contradiction(made) == f"--listen 10.0.0.0:9000 {NEEDS_TLS}"


@pytest.mark.parametrize(
    ("tls", "clients", "message"),
    [
        row("no key", ("c", None, "a"), ("e",), "TLS needs three files: add --tls-key"),
        row("a key alone", (None, "k", None), (), "TLS needs three files: add --tls-certificate and --tls-client-ca"),
        row("no authority", ("c", "k", None), ("e",), "TLS needs three files: add --tls-client-ca"),
        row(
            "nobody may ask",
            ALL_FILES,
            (),
            "TLS needs the names of the clients that may ask: add --tls-client-san, such as spiffe://example.org/envoy",
        ),
        row(
            "names alone",
            (None, None, None),
            ("e",),
            "--tls-client-san needs TLS: add --tls-certificate, --tls-key, --tls-client-ca",
        ),
    ],
)
def test_a_part_of_tls_is_refused(
    tls: tuple[str | None, str | None, str | None], clients: tuple[str, ...], message: str
) -> None:
    assert contradiction(settings("127.0.0.1:9000", tls=tls, clients=clients)) == message


def test_tls_for_unix_sockets_alone_and_plain_text_beside_tls_are_refused() -> None:
    tls_alone = contradiction(settings("unix:a", tls=ALL_FILES, clients=("e",)))
    assert tls_alone is not None
    assert tls_alone.startswith("--tls-certificate is for TCP, but every --listen is a Unix socket")
    both = contradiction(settings("10.0.0.1:9000", tls=ALL_FILES, clients=("e",), plaintext=True))
    assert both is not None
    assert both.startswith("--allow-plaintext-tcp contradicts --tls-certificate")
