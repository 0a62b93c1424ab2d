"""The supervisor: starts workers, replaces those that die or hang, gives them policies, and ends them in order.

It loads no gRPC. The crew decides what to do; the supervisor does it.
"""

import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from authz.documents.findings import Problem
from authz.observing import events
from authz.observing.events import Event
from authz.observing.json_log import EventLog
from authz.observing.state import PolicyState, State
from authz.server.tls import Credentials
from authz.serving.messages import FINISH_SECONDS, FromWorker, Heartbeat, Load, Renew
from authz.serving.reload.reloader import Refused, Report, Taken
from authz.serving.reload.renewal import NotRenewed, Renewed
from authz.serving.reload.snapshot import Snapshot
from authz.serving.settings import ServeSettings
from authz.serving.supervision.crew import Crew
from authz.serving.supervision.endpoints import EndpointsFile
from authz.serving.supervision.inbox import Inbox
from authz.serving.supervision.orders import Abandon, End, InForce, Kill, Order, Send, Spawn
from authz.serving.supervision.process import WorkerProcess
from authz.tokens.keys.tls_leaf import TlsLeaf

_MARGIN_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0


class Supervisor:
    """Runs the workers of one service from `run` to its end."""

    def __init__(
        self,
        settings: ServeSettings,
        snapshot: Snapshot,
        credentials: Credentials | None,
        inbox: Inbox[Report | Renewed | NotRenewed],
        endpoints: EndpointsFile | None,
        log: EventLog,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._not_renewed: tuple[Path, str] | None = None
        self._inbox = inbox
        self._endpoints = endpoints
        self._log = log
        drain = settings.drain + FINISH_SECONDS + _MARGIN_SECONDS
        self._crew = Crew(settings.workers, snapshot.order(), drain, time.monotonic())
        self._processes: dict[int, WorkerProcess] = {}
        policy = PolicyState(snapshot.revision, time.time(), trusted=snapshot.trusted)
        self.state = State(self._crew.counts, self._crew.is_ready, policy)
        if credentials is not None:
            self.state.tls_shown(TlsLeaf.read(credentials.certificate).ends)
        self._running = snapshot
        self._snapshots = {snapshot.folder: snapshot}
        self._published: tuple[str, ...] = ()
        self._retry_due: float | None = None
        self._refused: tuple[Problem, ...] = ()
        self._code: int | None = None

    def running(self) -> Snapshot:
        """Return the snapshot that is in force."""
        return self._running

    def run(self, reload: Callable[[], None]) -> int:
        """Serve until SIGTERM or SIGINT and return the exit code; SIGHUP calls `reload`."""
        self._log_warnings(self._running)
        received = time.monotonic()
        try:
            while self._code is None:
                self._do(self._crew.tick(received))
                self._publish()
                self._remove_old_snapshots()
                received = self._listen(reload)
        finally:
            for process in self._processes.values():
                process.kill()
                process.reap()
            if self._endpoints is not None:
                self._endpoints.remove()
        return self._code

    # ---- what happens

    def _listen(self, reload: Callable[[], None]) -> float:
        """Wait until something happens or is due, and handle all of it. Return when the reading began.

        Heartbeats are judged by that time: when the supervisor itself was delayed, workers must not be killed for it.
        """
        processes = list(self._processes.items())
        talking = [process.connection for _, process in processes if process.is_open]
        ready = wait([self._inbox.fileno(), *talking, *(process.sentinel for _, process in processes)], self._timeout())
        received = time.monotonic()
        signals, reports = self._inbox.take()
        for caught in signals:
            if caught is signal.SIGHUP:
                reload()
            else:
                self._stop()
        for report in reports:
            self._handle(report)
        for number, process in processes:
            ended = process.sentinel in ready
            if ended or process.connection in ready:
                for message in process.received():
                    self._receive(number, message)
            if ended:
                self._exited(number, process.reap())
        return received

    def _timeout(self) -> float | None:
        dues = [due for due in (self._crew.due(), self._retry_due) if due is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _receive(self, number: int, message: FromWorker) -> None:
        if isinstance(message, Heartbeat):
            self.state.counted(number, message.totals)
        self._do(self._crew.receive(number, message, time.monotonic()))

    def _exited(self, number: int, how: str) -> None:
        self._processes.pop(number, None)
        self.state.ended(number)
        self._do(self._crew.exited(number, how, time.monotonic()))

    def _stop(self) -> None:
        """Drain all workers; on a second signal, end at once."""
        if self._crew.is_leaving:
            self._log.write(events.service_aborted())
            self._code = 1
            return
        self._log.write(events.service_stopping())
        self._do(self._crew.leave(time.monotonic()))

    def _handle(self, report: Report | Renewed | NotRenewed) -> None:
        match report:
            case Taken(snapshot, requested):
                self._offer(snapshot, requested=requested)
            case Refused(problems, requested):
                if requested or problems != self._refused:
                    self._refuse(problems)
            case Event():
                self.state.watched(report == events.watch_restored())
                self._log.write(report)
            case Renewed(credentials, requested):
                self._renew(credentials, requested=requested)
            case NotRenewed(file, cause, requested):
                if requested or (file, cause) != self._not_renewed:
                    self._not_renewed = (file, cause)
                    self._log.write(events.tls_refused(file, cause))

    def _renew(self, credentials: Credentials, *, requested: bool) -> None:
        """Give workers what the files of TLS hold; a worker that starts later gets it too."""
        certificate = self._settings.tls_certificate
        if certificate is None or (credentials == self._credentials and self._not_renewed is None and not requested):
            return
        self._credentials, self._not_renewed = credentials, None
        for process in self._processes.values():
            process.send(Renew(credentials))
        self.state.tls_shown(TlsLeaf.read(credentials.certificate).ends)
        self._log.write(events.tls_loaded(certificate))

    def _offer(self, snapshot: Snapshot, *, requested: bool) -> None:
        self._snapshots[snapshot.folder] = snapshot
        if snapshot.revision == self._crew.rollout.latest().revision:
            if requested or self._refused:
                self._log.write(events.policy_unchanged(self._settings.policy, snapshot.revision))
            self._refused = ()
            self._crew.rollout.stop_retrying()
            self.state.corrected()
            return
        self._do(self._crew.rollout.offer(snapshot.order(), time.monotonic()))

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        self._refused = problems
        self.state.refused(problems)
        self._log.write(events.policy_refused(self._settings.policy, self._crew.rollout.current.revision, problems))

    # ---- what to do

    def _do(self, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Spawn(number):
                    self._spawn(number)
                case Send(number, message):
                    if number in self._processes:
                        self._processes[number].send(message)
                case Kill(number):
                    if number in self._processes:
                        self._processes[number].kill()
                case Event():
                    self._log.write(order)
                case InForce(before, after, workers):
                    self._in_force(before, after, workers)
                case Abandon():
                    self._abandon(order)
                case End(code):
                    self._code = code

    def _spawn(self, number: int) -> None:
        try:
            process = WorkerProcess.start(number, self._settings, self._credentials)
        except OSError as error:
            self._exited(number, f"no process can be started: {error.strerror}")
            return
        self._processes[number] = process
        self._log.write(events.worker_started(number, process.pid))

    def _in_force(self, before: Load, after: Load, workers: int) -> None:
        self._refused = ()
        self._running = self._snapshots[after.file.parent]
        self.state.reloaded(self._running.revision, self._running.trusted)
        self._log_warnings(self._running)
        self._log.write(events.policy_in_force(self._settings.policy, after.revision, before.revision, workers))

    def _abandon(self, order: Abandon) -> None:
        policy, new = self._settings.policy, order.snapshot.revision
        problem = f"revision {new} is sound, but no worker could load it: {order.cause}"
        self._refused = (Problem(policy, 0, problem),)
        self.state.refused(self._refused)
        revision = self._crew.rollout.current.revision
        self._log.write(events.policy_not_loaded(policy, revision, new, order.cause, order.retry_s))

    def _log_warnings(self, snapshot: Snapshot) -> None:
        for warning in snapshot.warnings:
            self._log.write(events.policy_warning(warning))

    def _publish(self) -> None:
        """Write the endpoints if they have changed; if that fails, try again after a second."""
        endpoints = self._crew.endpoints()
        if self._endpoints is None or (endpoints == self._published and self._retry_due is None):
            return
        try:
            self._endpoints.write(endpoints)
        except OSError as error:
            if self._retry_due is None:
                cause = error.strerror or type(error).__name__
                self._log.write(events.endpoints_file_not_written(self._endpoints.path, cause))
            self._retry_due = time.monotonic() + _RETRY_SECONDS
        else:
            self._published, self._retry_due = endpoints, None

    def _remove_old_snapshots(self) -> None:
        """Delete the snapshots that no worker may still read."""
        needed = {order.file.parent for order in self._crew.rollout.needed()}
        for folder in self._snapshots.keys() - needed:
            self._snapshots.pop(folder).remove()
