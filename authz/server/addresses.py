"""Checks that an address can be listened on, so that a clash is one clear line."""

import errno
import os
import socket
import stat
from contextlib import closing
from pathlib import Path


class AddressUnusableError(Exception):
    """An address cannot be listened on; the text says why and what to do."""


def make_free(address: str) -> None:
    """Return if `HOST:PORT` or `unix:PATH` can be listened on; a stale socket file is removed.

    Raises AddressUnusableError.
    """
    try:
        if address.startswith("unix:"):
            _free_path(Path(address.removeprefix("unix:")))
        else:
            _try_port(address)
    except OSError as error:
        raise AddressUnusableError(f"cannot listen on {address}: {_mend(error)}") from None
    except UnicodeError:  # what the resolver's encoding makes of `a..b`
        raise AddressUnusableError(f"cannot listen on {address}: the host is not a valid name") from None


def _free_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise OSError(errno.ENOENT, f"folder {path.parent} does not exist: make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, f"folder {path.parent} is not writable")
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(errno.EEXIST, "a file that is not a socket is in the way: remove it or name another path")
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "another process answers there: stop it or name another path")


def _try_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, target = found[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(target)


def _mend(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE and error.strerror == os.strerror(errno.EADDRINUSE):
        return "another process listens there: stop it or name another port"
    return error.strerror or type(error).__name__
