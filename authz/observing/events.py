"""Every event that the service logs, with its name, level and fields. docs/operations.md says what to do about each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeVar, dataclass_transform

from authz.documents.findings import Problem

Level = Literal["debug", "info", "warning", "error"]


class Event:
    """Something that operators may want to know. No field holds a token, a client's bytes or an exception's text."""

    __slots__ = ()
    name: ClassVar[str]
    level: ClassVar[Level]


E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True)
def _event(name: str, level: Level) -> Callable[[type[E]], type[E]]:
    """Return a decorator that makes a class an event of that name."""

    def decorate(kind: type[E]) -> type[E]:
        event = dataclass(frozen=True, slots=True)(kind)
        event.name, event.level = name, level
        return event

    return decorate


# ---- start and stop


@_event("check_weakened", "warning")
class CheckWeakened(Event):
    """The service starts with a flag that weakens a check."""

    flag: str


@_event("few_file_handles", "warning")
class FewFileHandles(Event):
    """The system grants fewer file handles than are comfortable: connections beyond them wait."""

    available: int
    recommended: int


@_event("admin_listening", "info")
class AdminListening(Event):
    """The admin port listens."""

    address: str


@_event("service_stopping", "info")
class ServiceStopping(Event):
    """A signal has asked the service to end: all workers drain."""


@_event("service_stopped", "info")
class ServiceStopped(Event):
    """All workers have drained, and the service ends."""


@_event("service_aborted", "warning")
class ServiceAborted(Event):
    """A second signal has ended the service at once: requests in flight are lost."""


# ---- workers


@_event("worker_started", "info")
class WorkerStarted(Event):
    """A worker's process has started; it does not listen yet."""

    worker: int
    pid: int


@_event("worker_listening", "info")
class WorkerListening(Event):
    """A worker answers requests at an address; one event for each address."""

    worker: int
    address: str


@_event("worker_draining", "info")
class WorkerDraining(Event):
    """A worker has got SIGTERM: it finishes its requests and ends."""

    worker: int


@_event("worker_drained", "info")
class WorkerDrained(Event):
    """A worker has drained and ended; another starts at once."""

    worker: int


@_event("worker_restarted", "warning")
class WorkerRestarted(Event):
    """A worker has died or was killed; another starts after `delay_s`."""

    worker: int
    cause: str
    delay_s: float


@_event("worker_stopped_early", "warning")
class WorkerStoppedEarly(Event):
    """While the service stopped, a worker ended before it had drained."""

    worker: int
    cause: str


@_event("no_worker_can_start", "error")
class NoWorkerCanStart(Event):
    """Every worker has failed to start `attempts` times, and the service ends."""

    attempts: int
    cause: str


@_event("swap_failed", "error")
class SwapFailed(Event):
    """A worker was told to use a revision that it has not loaded. This is a bug; the worker is replaced."""

    worker: int
    revision: str


@_event("internal_error", "error")
class InternalError(Event):
    """A bug struck while a worker answered a request; the request was refused. `error` is its kind and place."""

    worker: int
    error: str


@_event("endpoints_file_not_written", "error")
class EndpointsFileNotWritten(Event):
    """Envoy's list of workers cannot be written, so Envoy may ask workers that are gone. It is tried every second."""

    file: Path
    cause: str


@_event("log_lines_lost", "warning")
class LogLinesLost(Event):
    """A process has ended before it could write that many lines of its log."""

    lines: int


# ---- policy and keys


@_event("policy_loaded", "info")
class PolicyLoaded(Event):
    """The service starts with this policy."""

    policy: Path
    revision: str
    environment: str
    issuers: tuple[str, ...]


@_event("policy_warning", "warning")
class PolicyWarning(Event):
    """Something in policy or keys is odd but harmless; `problem` has file, line and message."""

    problem: Problem


@_event("policy_in_force", "info")
class PolicyInForce(Event):
    """Another policy is in force in every worker."""

    policy: Path
    revision: str
    previous_revision: str
    workers: int


@_event("policy_unchanged", "info")
class PolicyUnchanged(Event):
    """The files were read again, and hold what is in force."""

    policy: Path
    revision: str


@_event("policy_refused", "error")
class PolicyRefused(Event):
    """The files hold something that cannot be used; `revision` stays in force. Each problem has file, line, message."""

    policy: Path
    revision: str
    problems: tuple[Problem, ...]


@_event("policy_not_loaded", "error")
class PolicyNotLoaded(Event):
    """The files are sound, but no worker could load them; `revision` stays in force.

    It is tried again after `retry_s`; without that, a newer policy follows.
    """

    policy: Path
    revision: str
    new_revision: str
    cause: str
    retry_s: float | None


@_event("watch_failed", "warning")
class WatchFailed(Event):
    """Policy and keys cannot be watched, so only SIGHUP reloads them. It is tried again every second."""

    cause: str


@_event("watch_restored", "info")
class WatchRestored(Event):
    """Policy and keys are watched again."""
