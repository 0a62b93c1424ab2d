"""The gRPC engine around a function that returns fixed bytes: `python -m benchmarks.engine ADDRESS`."""

from __future__ import annotations

import signal
import sys

from authz._proto.external_auth_pb2 import CheckResponse, OkHttpResponse
from authz.server import Bounds, Server

__all__ = ["main"]


def main(address: str) -> int:
    """Serve until SIGTERM; what is answered allows everything, so the address is a loopback one."""
    answer = CheckResponse(ok_response=OkHttpResponse()).SerializeToString()
    server = Server(lambda _: answer, Bounds(1_000, 1.0), beat=lambda: None, refused=lambda: None)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start([address])
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
