"""A worker: one process that answers requests, and loads and swaps policies when the supervisor says so."""

import gc
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from authz.deciding.check import Check
from authz.deciding.judge import Judge
from authz.deciding.policy_data import PolicyData
from authz.observing import events
from authz.observing.decision_log import HeaderValues
from authz.observing.json_log import STDERR, EventLog, fault
from authz.observing.line_writer import LineWriter
from authz.observing.observers import Observers, traced
from authz.server.addresses import AddressUnusableError
from authz.server.loop import Bounds
from authz.server.server import Server
from authz.server.tls import Credentials, San, Security
from authz.serving.messages import (
    FINISH_SECONDS,
    HEARTBEAT_SECONDS,
    ORPHAN_SECONDS,
    TRACE_SECONDS,
    Drain,
    Draining,
    Failed,
    FromWorker,
    Heartbeat,
    Listening,
    Load,
    Loaded,
    Renew,
    Swap,
    Swapped,
    ToWorker,
)
from authz.serving.refused_clients import RefusedClients
from authz.serving.release import release
from authz.serving.settings import ServeSettings


def work(number: int, settings: ServeSettings, credentials: Credentials | None, connection: Connection) -> None:
    """Run the worker of that number until it has drained, and end the process."""
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(writer, b"\0"))
    # A terminal sends them to the whole group; the supervisor handles them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    with LineWriter(STDERR) as lines:
        log = EventLog(settings.log_level, lines.put)
        endpoint = settings.otlp_endpoint
        traces = None if endpoint is None else traced(endpoint, number, release())
        observers = Observers(
            number, settings.log_allow_sample, HeaderValues(settings.log_header_values), lines, traces
        )
        code = Worker(number, settings, credentials, connection, reader, observers, log).run()
        if traces is not None:
            traces.close(TRACE_SECONDS)
    sys.exit(code)


class Worker:
    """Serves in the thread that calls `run`; a second thread handles orders of the supervisor, a third one loads.

    `terminated` is a pipe that becomes readable with SIGTERM.
    """

    def __init__(
        self,
        number: int,
        settings: ServeSettings,
        credentials: Credentials | None,
        connection: Connection,
        terminated: int,
        observers: Observers,
        log: EventLog,
    ) -> None:
        self._number = number
        self._settings = settings
        self._credentials = credentials
        self._refused_clients = RefusedClients(number, time.monotonic)
        self._connection = connection
        self._terminated = terminated
        self._observers = observers
        self._log = log
        self._sending = threading.Lock()
        self._begin: queue.SimpleQueue[Check | None] = queue.SimpleQueue()
        self._loads: queue.SimpleQueue[Load] = queue.SimpleQueue()
        self._loaded: Judge | None = None
        self._check: Check | None = None
        self._server: Server | None = None
        self._moved = False
        self._leaving = False
        self._stop_due: float | None = None
        self._code = 0

    def run(self) -> int:
        """Serve until drained, or until the supervisor is gone; return the exit code."""
        threading.Thread(target=self._load_all, name="load", daemon=True).start()
        threading.Thread(target=self._control, name="control", daemon=True).start()
        check = self._begin.get()
        if check is None:
            return self._code
        settings = self._settings
        bounds = Bounds(settings.max_in_flight, settings.max_age)
        server = Server(check, bounds, self._beat, self._observers.overloaded, self._security())
        try:
            addresses = server.start(settings.addresses(self._number))
        except AddressUnusableError as error:
            self._send(Failed(str(error)))
            return 1
        self._server = server
        if not self._leaving:
            self._send(Listening(tuple(addresses)))
            server.run()
        self._send_heartbeat()
        return self._code

    def _security(self) -> Security | None:
        """Return what TLS asks for; its credentials are always the last that the supervisor sent."""
        first = self._credentials
        if first is None:
            return None
        return Security(
            lambda: self._credentials or first, frozenset(self._settings.tls_client_san), self._client_refused
        )

    # ---- called by the loop

    def _beat(self) -> None:
        self._moved = True

    def _client_refused(self, names: Iterable[San]) -> None:
        self._observers.client_refused()
        event = self._refused_clients.refused(names)
        if event is not None:
            self._log.write(event)

    def _report(self, error: Exception) -> None:
        self._log.write(events.internal_error(self._number, fault(error)))

    # ---- the control thread

    def _control(self) -> None:
        """Handle orders and SIGTERM, until the supervisor is gone."""
        try:
            while True:
                ready = wait([self._connection, self._terminated], self._timeout())
                if self._terminated in ready:
                    os.read(self._terminated, 1)
                    self._drain()
                if self._connection in ready:
                    self._handle(self._connection.recv())
                if self._moved:
                    self._moved = False
                    self._send_heartbeat()
                if self._stop_due is not None and self._stop_due <= time.monotonic():
                    self._stop_due = None
                    self._end(FINISH_SECONDS)
        except (EOFError, OSError):
            self._end_without_supervisor()

    def _send_heartbeat(self) -> None:
        in_flight = 0 if self._server is None else self._server.in_flight()
        self._send(Heartbeat(self._observers.totals(in_flight)))

    def _timeout(self) -> float:
        if self._stop_due is None:
            return HEARTBEAT_SECONDS
        return min(HEARTBEAT_SECONDS, max(0.0, self._stop_due - time.monotonic()))

    def _handle(self, order: ToWorker) -> None:
        match order:
            case Load():
                self._loads.put(order)
            case Swap(revision):
                self._swap(revision)
            case Renew(credentials):
                self._credentials = credentials
            case Drain():
                self._drain()

    def _load_all(self) -> None:
        """Load one policy after the other, in the order of the orders: the last one stays."""
        while True:
            self._load(self._loads.get())

    def _load(self, order: Load) -> None:
        """Read a policy while requests are answered."""
        try:
            # The supervisor wrote this file, into a folder that only it and its workers can enter.
            data: PolicyData = pickle.loads(order.file.read_bytes())  # noqa: S301
            judge = data.judge()
        except Exception as error:  # noqa: BLE001  the supervisor must know, and the old policy serves on
            self._fail(fault(error), order)
            return
        if judge.revision != order.revision:
            self._fail(f"the file holds revision {judge.revision} instead of {order.revision}", order)
            return
        # A policy stays for long: the garbage collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._loaded = judge
        self._send(Loaded(order.revision))

    def _fail(self, text: str, order: Load) -> None:
        self._send(Failed(text, order.revision))
        if self._check is None:
            self._fail_process()

    def _swap(self, revision: str) -> None:
        judge, self._loaded = self._loaded, None
        if judge is None or judge.revision != revision:
            self._log.write(events.swap_failed(self._number, revision))
            self._fail_process()
            return
        self._observers.follow(judge)
        if self._check is None:
            self._check = Check(judge, time.time, report=self._report, observe=self._observers)
            self._begin.put(self._check)
        else:
            self._check.judge = judge
        self._send(Swapped(revision))

    def _drain(self) -> None:
        """Report NOT_SERVING, and serve on until Envoy has noticed."""
        if self._leaving:
            return
        self._leaving = True
        self._send(Draining())
        if self._server is None:
            self._begin.put(None)
            return
        self._server.drain()
        self._stop_due = time.monotonic() + self._settings.drain

    def _fail_process(self) -> None:
        """End with an exit code that is not 0; another process is started."""
        self._code = 1
        self._end(0.0)

    def _end(self, grace: float) -> None:
        if self._server is None:
            self._begin.put(None)
        else:
            self._server.stop(grace)

    def _end_without_supervisor(self) -> None:
        """End because the supervisor is gone, even if the loop hangs."""
        self._end(ORPHAN_SECONDS)
        time.sleep(2 * ORPHAN_SECONDS)
        os._exit(1)

    def _send(self, message: FromWorker) -> None:
        """Send a message to the supervisor; if it is gone, the control thread notices."""
        with self._sending, suppress(OSError):
            self._connection.send(message)
