"""A sample backend: it returns the request that reached it, over HTTP/1.1, server-sent events, WebSocket and gRPC.

`python -m dev.backend --name ai_gateway-1 --port 8101 [--grpc-port 8113]`; `GET /health` returns its
number of requests. With `--slots` and `--service-time` it can be overloaded: plain HTTP requests then wait in a queue.
"""

import argparse
import asyncio
import signal
import sys

from dev.backend.capacity import Capacity
from dev.backend.echo import Echo
from dev.backend.grpc_side import GrpcSide
from dev.backend.http_side import HttpSide


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 1 if a port is not available."""
    asked = _parser().parse_args()
    try:
        capacity = None if asked.slots is None else Capacity(asked.slots, asked.service_time)
        asyncio.run(serve(asked.name, asked.host, asked.port, asked.grpc_port, capacity))
    except OSError as problem:
        print(f"backend {asked.name}: {problem}", file=sys.stderr)
        return 1
    return 0


async def serve(name: str, host: str, port: int, grpc_port: int | None, capacity: Capacity | None = None) -> None:
    """Run one backend until a signal; for port 0 it uses a free one, which the first line on stdout names."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    echo = Echo(name)
    http = HttpSide(echo, capacity)
    grpc = GrpcSide(echo)
    try:
        ready = f"{name} listens on http {await http.start(host, port)}"
        if grpc_port is not None:
            ready += f" grpc {await grpc.start(host, grpc_port)}"
        print(ready, flush=True)
        await stopping.wait()
    finally:
        await asyncio.gather(http.stop(), grpc.stop())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.backend", description="a sample backend that echoes requests")
    parser.add_argument("--name", required=True, help="its name, which every answer contains")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, required=True, help="HTTP/1.1 port; 0 picks a free one")
    parser.add_argument("--grpc-port", type=int, help="gRPC port (default: no gRPC)")
    parser.add_argument("--slots", type=int, help="HTTP requests that it handles at once (default: no limit)")
    parser.add_argument("--service-time", type=float, default=0.05, help="seconds that each takes, with --slots")
    return parser


if __name__ == "__main__":
    sys.exit(main())
