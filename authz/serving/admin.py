"""The admin port: whether the service lives and is ready, what it counts, and which policy is in force."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from authz.observing.json_log import timestamp, to_plain
from authz.observing.metrics import CONTENT_TYPE, Metrics
from authz.observing.state import State
from authz.server.addresses import AddressUnusableError, make_free

MAX_CONNECTIONS: Final = 32
SECONDS: Final = 5.0
"""After that a connection is closed, whatever its client does: no client can keep others out for long."""
POLL_SECONDS: Final = 0.05
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    kind: str = _JSON


class Admin:
    """Answers operators at `HOST:PORT`, from threads of its own, without authentication."""

    def __init__(self, address: str, state: State, version: str) -> None:
        self._address = address
        self._pages = _pages(state, version)
        self._server: _Server | None = None

    def start(self) -> str:
        """Listen, and return the address with the port that port 0 became. Raises AddressUnusableError."""
        make_free(self._address)
        host, _, port = self._address.rpartition(":")
        try:
            self._server = _Server(host.strip("[]"), int(port), self._pages)
        except OSError as error:
            raise AddressUnusableError(f"cannot listen on {self._address}: {error.strerror}") from None
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="admin", daemon=True).start()
        return f"{host}:{self._server.server_port}"

    def stop(self) -> None:
        """Stop listening. Answers in progress end by themselves."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _pages(state: State, version: str) -> Mapping[str, Callable[[], _Answer]]:
    metrics = Metrics(state, version)
    return {
        "/healthz": lambda: _Answer(HTTPStatus.OK, _json({"alive": True})),
        "/readyz": lambda: _ready(state),
        "/metrics": lambda: _Answer(HTTPStatus.OK, metrics.text(), CONTENT_TYPE),
        "/revision": lambda: _Answer(HTTPStatus.OK, _json({**_revision(state), "version": version})),
    }


def _ready(state: State) -> _Answer:
    is_ready, workers, failure = state.is_ready(), state.workers(), state.policy().last_failure
    detail = {
        "ready": is_ready,
        "workers": asdict(workers),
        **_revision(state),
        "last_reload_failure": failure and {"at": timestamp(failure.at), "problems": failure.problems},
    }
    return _Answer(HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, _json(detail))


def _revision(state: State) -> dict[str, object]:
    policy = state.policy()
    return {"revision": policy.revision, "loaded_at": timestamp(policy.loaded_at)}


def _json(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, indent=2, default=to_plain).encode() + b"\n"


class _Server(ThreadingHTTPServer):
    """A thread for each connection. There are few, and none lasts long; a new one too many waits for its turn."""

    request_queue_size = 2 * MAX_CONNECTIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], _Answer]]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.pages = pages
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind alone: http.server would ask a name server what this machine is called."""
        TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: as socketserver types both
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # there is no thread for it
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # Any: as above
        deadline = threading.Timer(SECONDS, _end, (request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that goes away is normal, and what it sent must not be in a log."""


def _end(connection: socket.socket) -> None:
    """Wake the thread that waits for a client; it then closes the connection itself."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, one request a connection. No answer repeats what the client sent."""

    server: _Server
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer(self._page())

    do_HEAD = do_GET  # noqa: N815  as http.server names it

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server cannot read; its own text would repeat the client's."""
        del message, explain
        status = HTTPStatus(code)
        self._answer(_refusal(HTTPStatus.METHOD_NOT_ALLOWED if status is HTTPStatus.NOT_IMPLEMENTED else status))

    def version_string(self) -> str:
        """Name the service, and no version of anything below it."""
        return "authz"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as http.server names it
        """Log nothing: these requests are the operators' own."""

    def _page(self) -> _Answer:
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            return _refusal(HTTPStatus.NOT_FOUND)
        try:
            return page()
        except Exception:  # noqa: BLE001  a bug here must not end the port
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _answer(self, answer: _Answer) -> None:
        self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _refusal(status: HTTPStatus) -> _Answer:
    return _Answer(status, _json({"error": status.phrase}))
