"""Where workers listen, how many there are, and what settings cannot mean together."""

import os
from pathlib import Path

import pytest

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


def settings(*listen: str, workers: int = 1, endpoints_file: str | None = None) -> ServeSettings:
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
        otlp_endpoint=None,
        allow_empty_issuers=False,
        allow_unlabelled_routes=False,
    )


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        pytest.param("127.0.0.1:9000", ["127.0.0.1:9000", "127.0.0.1:9000"], id="without a template"),
        pytest.param("0.0.0.0:{9000+worker}", ["0.0.0.0:9000", "0.0.0.0:9002"], id="a port counted from a number"),
        pytest.param("h{worker}:9000", ["h0:9000", "h2:9000"], id="a host for each"),
        pytest.param("unix:/run/{worker}.sock", ["unix:/run/0.sock", "unix:/run/2.sock"], id="a socket for each"),
        pytest.param("unix:run/a.sock", ["unix:run/a.sock", "unix:run/a.sock"], id="a relative socket"),
        pytest.param("[::1]:9000", ["[::1]:9000", "[::1]:9000"], id="IPv6"),
        pytest.param("localhost:0", ["localhost:0", "localhost:0"], id="any free port"),
        pytest.param("unix:/{worker}/{7+worker}", ["unix:/0/7", "unix:/2/9"], id="twice"),
    ],
)
def test_a_template_gives_each_worker_its_address(text: str, addresses: list[str]) -> None:
    template = AddressTemplate.parse(text)
    assert [template.address(0), template.address(2)] == addresses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is no address", id="empty"),
        pytest.param("9000", "is no address", id="a port alone"),
        pytest.param("host", "is no address", id="a host alone"),
        pytest.param("host:", "is no address", id="no port"),
        pytest.param(":9000", "is no address", id="no host"),
        pytest.param("host:65536", "is no address", id="a port beyond the last"),
        pytest.param("host:{65535+workers}", "holds braces", id="another word"),
        pytest.param("host:{worker}", r"from which port to count: write host:\{9000\+worker\}", id="ports from 0"),
        pytest.param("host:{0+worker}", r"from which port to count: write host:\{9000\+worker\}", id="from 0 in words"),
        pytest.param("host:90{worker}", "does not say from which port", id="a digit of a port"),
        pytest.param("host:٣٣٣", "is no address", id="digits that are not ASCII"),
        pytest.param("::1:9000", "is no address", id="IPv6 without brackets"),
        pytest.param("http://host:9000", "is no address", id="a URL"),
        pytest.param("host:9000/path", "is no address", id="a path"),
        pytest.param("unix:", "has 1 to 107 bytes", id="a socket without a path"),
        pytest.param("unix:/" + "é" * 60, "has 1 to 107 bytes", id="a socket's path is counted in bytes"),
        pytest.param("unix:/{name}.sock", "holds braces that are neither", id="another name"),
        pytest.param("unix:/{+worker}.sock", "holds braces that are neither", id="a plus without a number"),
        pytest.param("unix:/{worker.sock", "holds braces that are neither", id="an open brace"),
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
        pytest.param(["127.0.0.1:9000"], 1, id="one worker without a template"),
        pytest.param(["unix:a", "127.0.0.1:0"], 1, id="one worker on two addresses"),
        pytest.param(["127.0.0.1:0"], 1, id="any free port"),
        pytest.param(["unix:{worker}", "h:{9000+worker}"], 8, id="several with templates"),
    ],
)
def test_what_makes_sense_is_no_contradiction(listen: list[str], workers: int) -> None:
    assert contradiction(settings(*listen, workers=workers)) is None


@pytest.mark.parametrize(
    ("listen", "workers", "message"),
    [
        pytest.param(["unix:a", "unix:a"], 1, "--listen names one address twice", id="twice"),
        pytest.param(
            ["unix:{worker}", "127.0.0.1:9000"],
            2,
            "2 workers need an address each: write --listen 127.0.0.1:{9000+worker}",
            id="no template",
        ),
        pytest.param(
            ["[::1]:12990"],
            2,
            "2 workers need an address each: write --listen [::1]:{12990+worker}",
            id="no template, on a port of one's own",
        ),
        pytest.param(
            ["h:0"], 2, "2 workers need an address each: write --listen h:{9000+worker}", id="no template, any port"
        ),
        pytest.param(
            ["unix:a"],
            2,
            "2 workers need an address each: write {worker} into --listen unix:a",
            id="no name of a socket",
        ),
        pytest.param(
            ["h:{9000+worker}", "h:{9001+worker}"],
            2,
            "--listen gives one address to two of 2 workers",
            id="templates that meet",
        ),
        pytest.param(
            ["h:{65535+worker}"],
            2,
            "--listen, for 2 workers: 'h:65536' is no address: write HOST:PORT or unix:PATH",
            id="beyond the last port",
        ),
        pytest.param(
            ["unix:" + "a" * 106 + "{worker}"],
            11,
            "--listen, for 11 workers: '{}': the path of a Unix socket has 1 to 107 bytes".format(
                "unix:" + "a" * 106 + "10"
            ),
            id="a path that grows too long",
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
