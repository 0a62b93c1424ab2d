"""Runs one gRPC server around one function: `python -m benchmarks.engine (own|grpc.server) ADDRESS [KEYS]`.

Without KEYS the function returns fixed bytes, which allow everything, so the address is a loopback one; with a folder
of keys it is the check itself, with the shipped policy and without logs. `grpc.server` is the server of gRPC's Python
package with four threads, for comparison.
"""

import gc
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse, OkHttpResponse
from authz.deciding.check import Check
from authz.policy.load import load_policy
from authz.server.health import SERVICE
from authz.server.loop import Bounds
from authz.server.server import Server

BOUNDS: Final = Bounds(max_in_flight=1_000, max_age=1.0)
POLICY: Final = Path(__file__).parent.parent / "authz/data"


def own(check: Callable[[bytes], bytes], address: str) -> None:
    """Serve with this project's engine until SIGTERM."""
    server = Server(check, BOUNDS, beat=lambda: None, refused=lambda: None)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start([address])
    server.run()


def yardstick(check: Callable[[bytes], bytes], address: str) -> None:
    """Serve with grpc.server until SIGTERM."""
    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    handler = grpc.unary_unary_rpc_method_handler(lambda message, _context: check(message))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": handler}),))
    server.add_insecure_port(address)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start()
    server.wait_for_termination()


def subject(keys: str | None) -> Callable[[bytes], bytes]:
    """Return the function that answers."""
    if keys is None:
        answer = CheckResponse(ok_response=OkHttpResponse()).SerializeToString()
        return lambda _message: answer
    policy = load_policy(POLICY, Path(keys), "production", allow_empty_issuers=False, allow_unlabelled_routes=False)
    return Check(policy.judge, time.time, report=lambda error: sys.exit(f"the check met a bug: {error!r}"))


def main(engine: str, address: str, keys: str | None = None) -> int:
    """Serve until SIGTERM."""
    check = subject(keys)
    gc.collect()
    gc.freeze()  # as the service does
    {"own": own, "grpc.server": yardstick}[engine](check, address)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
