"""Addresses are checked before the server uses them, so that a conflict gives one clear line."""

import errno
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from authz.server.addresses import AddressUnusableError, make_free


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a temporary folder, so that no socket path is too long."""
    monkeypatch.chdir(tmp_path_factory.mktemp("s"))
    return Path()


def refusal(address: str) -> str:
    with pytest.raises(AddressUnusableError) as caught:
        make_free(address)
    return str(caught.value)


def left_behind(path: Path) -> Path:
    """Make a socket file whose process has ended."""
    with closing(socket.socket(socket.AF_UNIX)) as gone:
        gone.bind(str(path))
    return path


def test_a_free_path_is_left_alone(folder: Path) -> None:
    make_free("unix:a.sock")
    assert list(folder.iterdir()) == []


def test_a_stale_socket_is_removed(folder: Path) -> None:
    stale = left_behind(folder / "a.sock")
    make_free("unix:a.sock")
    assert not stale.exists()


def test_a_socket_that_answers_is_kept_and_named(folder: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as taken:
        taken.bind("a.sock")
        taken.listen()
        message = refusal("unix:a.sock")
    assert message == "cannot listen on unix:a.sock: another process answers there: stop it or name another path"
    assert (folder / "a.sock").exists()


def test_a_file_that_is_no_socket_is_kept_and_named(folder: Path) -> None:
    precious = folder / "a.sock"
    precious.write_text("precious")
    message = refusal("unix:a.sock")
    assert message == (
        "cannot listen on unix:a.sock: a file that is not a socket is in the way: remove it or name another path"
    )
    assert precious.read_text() == "precious"


def test_a_folder_in_the_sockets_place_is_kept_and_named(folder: Path) -> None:
    (folder / "a.sock").mkdir()
    assert "a file that is not a socket is in the way" in refusal("unix:a.sock")


def test_a_link_to_nothing_is_named(folder: Path) -> None:
    (folder / "a.sock").symlink_to("nowhere")
    assert "a file that is not a socket is in the way" in refusal("unix:a.sock")
    assert (folder / "a.sock").is_symlink()


def test_a_missing_folder_is_named(folder: Path) -> None:
    message = refusal("unix:none/a.sock")
    assert message == "cannot listen on unix:none/a.sock: folder none does not exist: make it first"
    assert not (folder / "none").exists()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    """No user can create a file in /proc/1, not even root."""
    message = refusal("unix:/proc/1/a.sock")
    assert message == "cannot listen on unix:/proc/1/a.sock: folder /proc/1 is not writable"


def test_a_port_in_use_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        message = refusal(address)
    assert message == f"cannot listen on {address}: another process listens there: stop it or name another port"


def test_a_port_that_was_in_use_a_moment_ago_is_free() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = server.getsockname()
        with closing(socket.create_connection(address)), closing(server.accept()[0]):
            pass
    make_free(f"{address[0]}:{address[1]}")


def test_any_free_port_is_free() -> None:
    make_free("127.0.0.1:0")


def test_the_brackets_of_an_ipv6_address_are_not_part_of_it() -> None:
    """2001:db8::1 is reserved for documentation: it is valid, but cannot be listened on here."""
    without_ipv6 = os.strerror(errno.EAFNOSUPPORT)
    message = refusal("[2001:db8::1]:9000")
    assert message.removeprefix("cannot listen on [2001:db8::1]:9000: ") in {
        os.strerror(errno.EADDRNOTAVAIL),
        without_ipv6,
    }


def test_an_address_of_another_machine_is_named() -> None:
    assert refusal("192.0.2.1:9000") == "cannot listen on 192.0.2.1:9000: Cannot assign requested address"


def test_a_host_that_is_no_name_is_named() -> None:
    assert refusal("a..b:9000") == "cannot listen on a..b:9000: the host is not a valid name"
