"""Measures one server with far too many checks at once: `python -m benchmarks.flood`; needs h2load.

Method: the gRPC server with a check that takes one millisecond of the processor, on a Unix socket, with the bounds of
benchmarks.engine. For ten seconds h2load keeps 2,000 and then 20,000 checks in flight over 8 connections and replaces
each refused check at once, while a client asks for the server's health twenty times a second. It prints the server's
memory before, at its peak and after, and the outcomes of checks and health checks. Nothing is pinned to a core: this
measures bounds, not speed.
"""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server.server import Server
from benchmarks.engine import BOUNDS
from benchmarks.server import HEADERS, INSTALL, METHOD

CHECK_SECONDS: Final = 0.001
ASK_SECONDS: Final = 0.05
LOAD: Final = ("--threads=1", "--clients=8", "--duration=10")
STREAMS: Final = (250, 2_500)
BODY: Final = b"\0\0\0\0\1x"
MEBI: Final = 1024


def serve(address: str) -> int:
    """Serve until SIGTERM, then print the numbers of answered and refused checks."""
    answered, refused, beats = [0], [0], [0]

    def slow(message: bytes) -> bytes:
        end = time.thread_time() + CHECK_SECONDS
        while time.thread_time() < end:
            pass
        answered[0] += 1
        return message

    def count(where: list[int]) -> None:
        where[0] += 1

    server = Server(slow, BOUNDS, lambda: count(beats), lambda: count(refused))
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start([address])
    server.run()
    print(f"answered {answered[0]:,}, refused by the bounds {refused[0]:,}, beats {beats[0]}")
    return 0


def memory(pid: int, kind: str) -> int:
    """Return a process's resident memory in MiB: VmRSS now, VmHWM at its peak."""
    found = re.search(rf"{kind}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // MEBI if found else 0


def ask_health(address: str, load: subprocess.Popen[bytes]) -> list[float]:
    """Ask for health until the load is over; return the sorted response times."""
    took = []
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while load.poll() is None:
            began = time.monotonic()
            health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60)
            took.append(time.monotonic() - began)
            time.sleep(ASK_SECONDS)
    return sorted(took)


def flood(h2load: str, folder: Path, streams: int) -> None:
    """Run server, load and client, and print the results."""
    address, body = f"unix:{folder}/flood.sock", folder / "body"
    body.write_bytes(BODY)
    command: Sequence[str] = (sys.executable, "-m", "benchmarks.flood", address)
    with subprocess.Popen(command) as server:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(20)
        before = memory(server.pid, "VmRSS")
        target = (f"--data={body}", f"--base-uri={address}", f"http://authz{METHOD}")
        with subprocess.Popen(
            [h2load, *LOAD, f"--max-concurrent-streams={streams}", *HEADERS, *target], stdout=subprocess.DEVNULL
        ) as load:
            took = ask_health(address, load)
        peak, after = memory(server.pid, "VmHWM"), memory(server.pid, "VmRSS")
        server.terminate()
    print(f"memory in MiB: {before} before, {peak} at the peak, {after} after")
    print(f"health: {len(took)} answers, median {took[len(took) // 2] * 1e3:.0f} ms, longest {took[-1] * 1e3:.0f} ms")


def main() -> int:
    """Flood a server."""
    h2load = shutil.which("h2load")
    if h2load is None:
        print(INSTALL, file=sys.stderr)
        return 1
    for streams in STREAMS:
        print(f"8 connections, {streams:,} checks at once on each")
        with TemporaryDirectory() as made:
            flood(h2load, Path(made), streams)
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]) if len(sys.argv) > 1 else main())
