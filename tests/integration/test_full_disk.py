"""A full disk under the log: answers go on, what was lost is counted, and once there is room again lines come again."""

import http.client
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tests.support.integration.caller import Caller, healthy
from tests.support.integration.service import COMMAND, SECONDS, Service, running
from tests.support.minting import request
from tests.support.waiting import until

KIBI: Final = 64
"""What fits on the disk."""
SMALL: Final = f'mount -t tmpfs -o size={KIBI}k small "$0" && exec "$@" 2>>"$0/log"'
SHORT: Final = f'ulimit -f {2 * KIBI} && exec "$@" 2>>"$0/log"'  # in blocks of 512 bytes


def small_disk(folder: Path) -> tuple[str, ...]:
    """Return what starts a command with its log on a disk of its own; where none can be, in a file that ends."""
    disk = str(folder / "run")
    for prefix in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        tried = (*prefix, "mount", "-t", "tmpfs", "tried", disk)
        if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return (*prefix, "/bin/sh", "-c", SMALL, disk)
    return ("/bin/sh", "-c", SHORT, disk)


@contextmanager
def on_a_small_disk(folder: Path) -> Iterator[Service]:
    """One worker; its log is seen as itself sees it."""
    flags = ("--keys", "keys", "--listen", "unix:0.sock", "--drain", "0s")
    with running(folder, *flags, listeners=0, command=(*small_disk(folder), *COMMAND)) as started:
        log = Path(f"/proc/{started.process.pid}/root{folder}/run/log")
        until(log.exists)
        service = Service(started.process, log)
        service.wait_for("worker_listening", address="unix:0.sock")
        yield service


def dropped(port: int) -> int:
    """Return how many lines could not be written, as the service counts them."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found = re.findall(r'(?m)^authz_log_lines_dropped_total\{cause="unwritable"\} (\S+)$', text)
    return sum(int(float(count)) for count in found)


def reasons_in(log: Path) -> list[str]:
    """Return the reasons in the decisions that are whole; where the disk was full, one was cut off."""
    reasons = []
    for line in log.read_text().splitlines():
        try:
            reasons.append(json.loads(line).get("reason"))
        except ValueError:
            continue
    return [reason for reason in reasons if reason is not None]


def test_requests_are_answered_and_lines_are_counted(folder: Path) -> None:
    asked = 0
    with on_a_small_disk(folder) as service, Caller(folder / "0.sock") as caller:
        port = service.admin_port()

        def ask() -> None:
            nonlocal asked
            assert [caller.code(healthy()), caller.code(request())] == [0, 16]
            asked += 2

        while not dropped(port):
            ask()
        for _ in range(50):
            ask()
        until(lambda: dropped(port) + len(reasons_in(service.file)) == asked)
        lost = dropped(port)
        assert lost > 100
        assert 0 < service.file.stat().st_size <= KIBI * 1024

        os.truncate(service.file, 0)
        ask()
        until(lambda: reasons_in(service.file) == ["allowed", "missing_authorization"])
        assert dropped(port) == lost
