"""The gRPC engine around a function that returns fixed bytes: `python -m benchmarks.engine ADDRESS`."""

from __future__ import annotations

import signal
import sys
import threading

from authz._proto.external_auth_pb2 import CheckResponse, OkHttpResponse
from authz.server import Server

__all__ = ["main"]


def main(address: str) -> int:
    """Serve until SIGTERM; what is answered allows everything, so the address is a loopback one."""
    answer = CheckResponse(ok_response=OkHttpResponse()).SerializeToString()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = Server(lambda _: answer)
    server.start([address])
    stop.wait()
    server.stop(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
