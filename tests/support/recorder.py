"""Records the CheckRequests of the real Envoy again: `python -m tests.support.recorder`."""

import queue
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc
import h2.config
import h2.connection
import h2.events
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.reasons import GrpcCode
from authz.server.health import SERVICE
from authz.serving.supervision.endpoints import EndpointsFile
from dev import certificate
from dev.envoy.admin import Admin
from dev.envoy.files import ADMIN, PLAIN, TLS, EnvoyFiles, render
from dev.envoy.program import command
from dev.process import ProcessGroup
from tests.support.envoy_messages import auth
from tests.support.recording import ANY, FOLDER, Recording, Sent, recordings
from tests.support.repository import ROOT

ENVOY: Final = EnvoyFiles(ROOT / "envoy")
AUTHZ: Final = Path("run/authz/0.sock")
AUTHORITY: Final = "cloud.gitlab.com"
DENIAL: Final = CheckResponse(status={"code": GrpcCode.PERMISSION_DENIED.value}).SerializeToString()
SECONDS: Final = 10.0
READ: Final = 65536


class Recorder:
    """Runs in place of the service: keeps each request byte for byte, and refuses all."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def keep(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """Answer one check."""
        self.requests.put(request)
        return DENIAL


@contextmanager
def listening(recorder: Recorder, address: str) -> Iterator[None]:
    """Serve the recorder, and the health check for Envoy, while the block runs."""
    server = grpc.server(ThreadPoolExecutor(2))
    check = grpc.unary_unary_rpc_method_handler(recorder.keep)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),))
    healthy = health.HealthServicer()
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()


def send(port: int, sent: Sent) -> int:
    """Send one request to Envoy and return the status of its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        return (send_http2 if sent.http == "2" else send_http1)(connection, sent)


def send_http1(connection: socket.socket, sent: Sent) -> int:
    """Write the request byte for byte: client libraries tidy up what we want to see arrive."""
    lines = [f"{sent.method} {sent.path} HTTP/1.1", f"host: {AUTHORITY}", *map(": ".join, sent.headers)]
    length = [] if sent.method == "GET" else ["content-length: 0"]
    connection.sendall("\r\n".join([*lines, *length, "", ""]).encode("latin-1"))
    answer = b""
    while b"\r\n" not in answer:
        answer += _received(connection)
    return int(answer.split()[1])


def send_http2(connection: socket.socket, sent: Sent) -> int:
    """Send the request as one HEADERS frame."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    client.initiate_connection()
    pseudo = [(":method", sent.method), (":scheme", "http"), (":authority", AUTHORITY), (":path", sent.path)]
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in [*pseudo, *sent.headers]]
    client.send_headers(client.get_next_available_stream_id(), fields, end_stream=True)
    while True:
        connection.sendall(client.data_to_send())
        for event in client.receive_data(_received(connection)):
            if isinstance(event, h2.events.ResponseReceived):
                return int(dict(event.headers)[b":status"])


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(READ)
    if not data:
        raise ConnectionError("Envoy closed the connection without an answer")
    return data


def steady(recording: Recording, taken: bytes) -> auth.CheckRequest:
    """Return the request without what differs each time: ports, stream id, time, and headers marked ANY."""
    request = auth.CheckRequest.parse(taken)
    attributes = request.attributes
    assert attributes is not None
    assert attributes.request is not None
    assert attributes.request.http is not None
    attributes.source = attributes.destination = attributes.request.time = None
    attributes.request.http.id = ""
    for name in [name for name, value in recording.seen.headers.items() if value == ANY]:
        attributes.request.http.headers.pop(name, None)
    return request


@contextmanager
def envoy(folder: Path) -> Iterator[int]:
    """Run Envoy with the project's configuration on free ports, and yield the one for plain HTTP."""
    ports = {port: _free_port() for port in (PLAIN, TLS, ADMIN)}
    files = EnvoyFiles(folder / "envoy")
    render(ENVOY, files, ports)
    certificate.ensure(folder / "run" / "tls", datetime.now(UTC))
    with ProcessGroup(folder / "logs") as processes:
        processes.start("envoy", command(files.started, threads=1))
        processes.wait_until(Admin(ports[ADMIN]).is_live, "Envoy", SECONDS)
        yield ports[PLAIN]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def take() -> Iterator[tuple[Recording, bytes]]:
    """Send every request of the index through Envoy, and yield the CheckRequest of each."""
    recorder = Recorder()
    with TemporaryDirectory() as name, chdir(name):
        AUTHZ.parent.mkdir(parents=True)
        EndpointsFile(AUTHZ.with_name("endpoints.json")).write([f"unix:{AUTHZ}"])
        with listening(recorder, f"unix:{AUTHZ}"), envoy(Path(name)) as port:
            for recording in recordings():
                status = send(port, recording.sent)
                try:
                    yield recording, recorder.requests.get(timeout=SECONDS)
                except queue.Empty:
                    message = f"{recording.name}: Envoy answered {status} without asking the service"
                    raise RuntimeError(message) from None


def main() -> int:
    """Record every request; keep a file if only ports and times differ."""
    for left in set(FOLDER.glob("*.bin")) - {recording.file for recording in recordings()}:
        left.unlink()
    for recording, taken in take():
        file = recording.file
        same = file.exists() and steady(recording, file.read_bytes()) == steady(recording, taken)
        if not same:
            file.write_bytes(taken)
        print(f"{recording.name}: {'as before' if same else 'taken'}")  # noqa: T201  what a command prints
    return 0


if __name__ == "__main__":
    sys.exit(main())
