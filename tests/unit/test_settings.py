"""Address templates: where workers listen."""

from __future__ import annotations

import pytest

from authz.settings import MAX_SOCKET_PATH, AddressTemplate


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        pytest.param("127.0.0.1:9000", ["127.0.0.1:9000", "127.0.0.1:9000"], id="without a template"),
        pytest.param("0.0.0.0:{9000+worker}", ["0.0.0.0:9000", "0.0.0.0:9002"], id="a port counted from a number"),
        pytest.param("h:90{worker}", ["h:900", "h:902"], id="a digit of a port"),
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
