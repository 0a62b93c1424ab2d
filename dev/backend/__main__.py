"""A sample backend: it returns the request that reached it, over HTTP/1.1, server-sent events, WebSocket and gRPC.

`python -m dev.backend --name ai_gateway-1 --port 8101 [--grpc-port 8113]`; `GET /health` returns its number of
requests.
With `--slots` and `--service-time` it can be overloaded: plain HTTP requests then wait in a queue.
`--sample ai_gateway-1:8101:8113 --sample sast-1:8131` runs several in one process, which starts much faster.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dev.backend.capacity import Capacity
from dev.backend.echo import Echo
from dev.backend.grpc_side import GrpcSide
from dev.backend.http_side import HttpSide


@dataclass(frozen=True, slots=True)
class Sample:
    """One backend: how it names itself, and where it listens."""

    name: str
    port: int
    grpc_port: int | None = None


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 1 if a port is not available."""
    parser = _parser()
    asked = parser.parse_args()
    if not asked.sample and (asked.name is None or asked.port is None):
        parser.error("give --name and --port, or --sample for each backend")
    samples = asked.sample or [Sample(asked.name, asked.port, asked.grpc_port)]
    try:
        capacity = None if asked.slots is None else Capacity(asked.slots, asked.service_time)
        asyncio.run(serve(samples, asked.host, capacity))
    except OSError as problem:
        print(f"backend {' '.join(each.name for each in samples)}: {problem}", file=sys.stderr)
        return 1
    return 0


async def serve(samples: Sequence[Sample], host: str, capacity: Capacity | None = None) -> None:
    """Run backends until a signal; for port 0 a backend uses a free one, which a line on stdout names."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await asyncio.gather(*(_serve(each, host, capacity, stopping) for each in samples))


async def _serve(sample: Sample, host: str, capacity: Capacity | None, stopping: asyncio.Event) -> None:
    echo = Echo(sample.name)
    http = HttpSide(echo, capacity)
    grpc = GrpcSide(echo)
    try:
        ready = f"{sample.name} listens on http {await http.start(host, sample.port)}"
        if sample.grpc_port is not None:
            ready += f" grpc {await grpc.start(host, sample.grpc_port)}"
        print(ready, flush=True)
        await stopping.wait()
    finally:
        await asyncio.gather(http.stop(), grpc.stop())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.backend", description="a sample backend that echoes requests")
    parser.add_argument("--name", help="its name, which every answer contains")
    several = "one of several backends in this process, instead of --name, --port and --grpc-port"
    parser.add_argument("--sample", type=_sample, action="append", metavar="NAME:PORT[:GRPC_PORT]", help=several)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, help="HTTP/1.1 port; 0 picks a free one")
    parser.add_argument("--grpc-port", type=int, help="gRPC port (default: no gRPC)")
    parser.add_argument("--slots", type=int, help="HTTP requests that it handles at once (default: no limit)")
    parser.add_argument("--service-time", type=float, default=0.05, help="seconds that each takes, with --slots")
    return parser


def _sample(text: str) -> Sample:
    """`ai_gateway-1:8101:8113`. Raises ValueError, which argparse turns into its own message."""
    name, port, *grpc_port = text.split(":")
    return Sample(name, int(port), *map(int, grpc_port[:1]))


if __name__ == "__main__":
    sys.exit(main())
