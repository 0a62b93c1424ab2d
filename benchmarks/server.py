"""Measures the checks per second of the running server: `python -m benchmarks.server`.

Method: `authz serve` with the shipped policy, on a Unix socket and on loopback TCP, pinned to one core; h2load, pinned
to another, posts the same CheckRequest over 2 connections with 50 checks in flight on each, as two threads of Envoy
would. For comparison our gRPC server and grpc.server, each with the check alone, without the rest of the service, and
with a function that returns fixed bytes, which shows the cost of the server alone. The runs take turns, 5 rounds of 2
seconds each after one to warm up; the figure is the median. The token is always the same, so its signature is checked
once. The answer is checked first, and every counted reply is HTTP 200.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.server.health import SERVICE
from benchmarks.subjects import SCOPES, check_request
from tests.support.minting import Minter, write_keys

ROUNDS: Final = 5
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
START_SECONDS: Final = 20.0
METHOD: Final = f"/{SERVICE}/Check"
LOAD: Final = ("--threads=1", "--clients=2", "--max-concurrent-streams=50", "--duration=2", "--warm-up-time=1")
HEADERS: Final = ("--header=content-type: application/grpc", "--header=te: trailers")
INSTALL: Final = "h2load is not installed; Debian and Ubuntu have it in nghttp2-client: apt-get install nghttp2-client"
FINISHED: Final = re.compile(r"^finished in .*?, ([\d.]+) req/s", re.MULTILINE)
STATUSES: Final = re.compile(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """One kind of run: server, address, request, and the expected reason (none: the gRPC server alone)."""

    name: str
    address: str
    request: bytes
    reason: str


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run a server on its core while the block runs."""
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)
    try:
        keep_to(process.pid, SERVER_CORE)
        yield
    finally:
        process.terminate()
        process.wait()


def keep_to(pid: int, core: int) -> None:
    """Pin a process to one core, if the system can and has two."""
    if hasattr(os, "sched_setaffinity") and {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        os.sched_setaffinity(pid, {core})


def await_answer(run: Run) -> None:
    """Wait until the server gives the expected answer. Raises RuntimeError for another."""
    with grpc.insecure_channel(run.address) as channel:
        check = channel.unary_unary(METHOD, bytes, CheckResponse.FromString)
        answer = check(run.request, timeout=START_SECONDS, wait_for_ready=True)
    fields = answer.dynamic_metadata.fields
    reason = fields["reason"].string_value if "reason" in fields else ""
    if reason != run.reason:
        raise RuntimeError(f"'{run.name}' should be answered '{run.reason}', but is '{reason}'")


def checks_per_second(h2load: str, run: Run, body: Path) -> float:
    """Load the server once."""
    body.write_bytes(b"\0" + len(run.request).to_bytes(4, "big") + run.request)
    base = run.address if run.address.startswith("unix:") else f"http://{run.address}"
    command = [h2load, *LOAD, *HEADERS, f"--data={body}", f"--base-uri={base}", f"http://authz{METHOD}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    keep_to(process.pid, LOAD_CORE)
    printed, _ = process.communicate(timeout=60)
    finished, statuses = FINISHED.search(printed), STATUSES.search(printed)
    if finished is None or statuses is None or not int(statuses[1]):
        raise RuntimeError(f"'{run.name}': h2load got another status than HTTP 200:\n{printed}")
    return float(finished[1])


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def runs(engines: dict[str, str], unix: str, tcp: str) -> list[Run]:
    """Return the runs to compare: the gRPC servers by name, and the service."""
    token = Minter(time.time()).token(claims={"scopes": SCOPES})
    allow, refuse = check_request(token), check_request(token, "/ai/v1/amazon_q/events")
    return [
        Run("grpc.server, fixed answer, Unix socket", engines["grpc.server"], allow, ""),
        Run("engine, fixed answer, Unix socket", engines["own"], allow, ""),
        Run("grpc.server, allow, Unix socket", engines["grpc.server, check"], allow, "allowed"),
        Run("engine, allow, Unix socket", engines["own, check"], allow, "allowed"),
        Run("authz serve, allow, Unix socket", unix, allow, "allowed"),
        Run("authz serve, allow, TCP", tcp, allow, "allowed"),
        Run("authz serve, refuse: no such scope, Unix socket", unix, refuse, "missing_scope"),
        Run("authz serve, refuse: no token, Unix socket", unix, check_request(None), "missing_authorization"),
    ]


def main() -> int:
    """Load each in turn and print a table."""
    h2load = shutil.which("h2load")
    if h2load is None:
        print(INSTALL, file=sys.stderr)
        return 1
    with TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        keys = write_keys(folder / "keys")
        unix, tcp = f"unix:{folder}/authz.sock", f"127.0.0.1:{free_port()}"
        flags = ("--keys", str(keys), "--admin", f"127.0.0.1:{free_port()}")
        engines = {}
        for name in ("own", "grpc.server"):
            engines[name] = f"unix:{folder}/{name}.sock"
            engines[f"{name}, check"] = f"unix:{folder}/{name}.check.sock"
            stack.enter_context(running("benchmarks.engine", name, engines[name]))
            stack.enter_context(running("benchmarks.engine", name, engines[f"{name}, check"], str(keys)))
        stack.enter_context(running("authz", "serve", *flags, "--listen", unix, "--listen", tcp))
        compared = runs(engines, unix, tcp)
        for run in compared:
            await_answer(run)
        rounds = [[checks_per_second(h2load, run, folder / "body") for run in compared] for _ in range(ROUNDS)]
    print("| what | checks a second, median | least to most |\n|---|---|---|")
    for run, seen in zip(compared, zip(*rounds, strict=True), strict=True):
        print(f"| {run.name} | {statistics.median(seen):,.0f} | {min(seen):,.0f} to {max(seen):,.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
