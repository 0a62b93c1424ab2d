"""Every event that the service logs, with its level and fields. docs/operations.md says what to do about each.

An event is declared as a function of its name that takes its fields; calling it returns the event.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, ParamSpec

from authz.documents.findings import Problem

P = ParamSpec("P")
Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that operators may want to know. No field holds a token or an exception's text.

    Of a client's bytes only `client_refused` holds some: the names in its certificate.
    """

    name: str
    level: Level
    fields: Mapping[str, object]


class Kind(Generic[P]):
    """A kind of event: its name, its level, and the names of its fields. Calling it with the fields makes an event."""

    def __init__(self, level: Level, declared: Callable[P, None]) -> None:
        self._signature = inspect.signature(declared)
        self.name = declared.__name__
        self.level = level
        self.fields = tuple(self._signature.parameters)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Event:
        return Event(self.name, self.level, self._signature.bind(*args, **kwargs).arguments)


def _event(level: Level) -> Callable[[Callable[P, None]], Kind[P]]:
    """Return a decorator that declares an event of that level."""
    return lambda declared: Kind(level, declared)


# ---- start and stop


@_event("warning")
def check_weakened(flag: str) -> None:
    """The service starts with a flag that weakens a check."""


@_event("warning")
def few_file_handles(available: int, recommended: int) -> None:
    """The system grants fewer file handles than are comfortable: connections beyond them wait."""


@_event("info")
def admin_listening(address: str) -> None:
    """The admin port listens."""


@_event("info")
def service_stopping() -> None:
    """A signal has asked the service to end: all workers drain."""


@_event("info")
def service_stopped() -> None:
    """All workers have drained, and the service ends."""


@_event("warning")
def service_aborted() -> None:
    """A second signal has ended the service at once: requests in flight are lost."""


# ---- workers


@_event("info")
def worker_started(worker: int, pid: int) -> None:
    """A worker's process has started; it does not listen yet."""


@_event("info")
def worker_listening(worker: int, address: str) -> None:
    """A worker answers requests at an address; one event for each address."""


@_event("info")
def worker_draining(worker: int) -> None:
    """A worker has got SIGTERM: it finishes its requests and ends."""


@_event("info")
def worker_drained(worker: int) -> None:
    """A worker has drained and ended; another starts at once."""


@_event("warning")
def worker_restarted(worker: int, cause: str, delay_s: float) -> None:
    """A worker has died or was killed; another starts after `delay_s`."""


@_event("warning")
def worker_stopped_early(worker: int, cause: str) -> None:
    """While the service stopped, a worker ended before it had drained."""


@_event("error")
def no_worker_can_start(attempts: int, cause: str) -> None:
    """Every worker has failed to start `attempts` times, and the service ends."""


@_event("error")
def swap_failed(worker: int, revision: str) -> None:
    """A worker got the order to use a revision that it has not loaded. This is a bug; the worker is replaced."""


@_event("error")
def internal_error(worker: int, error: str) -> None:
    """A bug struck while a worker answered a request; the request was refused. `error` is its kind and place."""


@_event("error")
def endpoints_file_not_written(file: Path, cause: str) -> None:
    """Envoy's list of workers cannot be written, so Envoy may ask workers that are gone. It is tried every second."""


@_event("warning")
def log_lines_lost(lines: int) -> None:
    """A process has ended before it could write that many lines of its log."""


# ---- TLS


@_event("info")
def tls_loaded(certificate: Path) -> None:
    """New connections get this certificate, and its files say whose clients are trusted."""


@_event("error")
def tls_refused(file: Path, cause: str) -> None:
    """A file of TLS cannot be used; the certificate, key and authority that were loaded last stay in force."""


@_event("warning")
def client_refused(worker: int, names: tuple[str, ...], refusals: int) -> None:
    """A client with a certificate of the right authority has no name that may ask.

    `names` are the first of its certificate, cut; `refusals` were made since the last such event. One in ten seconds
    is logged.
    """


# ---- policy and keys


@_event("info")
def policy_loaded(policy: Path, revision: str, environment: str, issuers: tuple[str, ...]) -> None:
    """The service starts with this policy."""


@_event("warning")
def policy_warning(problem: Problem) -> None:
    """Something in policy or keys is odd but harmless; `problem` has file, line and message."""


@_event("info")
def policy_in_force(policy: Path, revision: str, previous_revision: str, workers: int) -> None:
    """Another policy is in force in every worker."""


@_event("info")
def policy_unchanged(policy: Path, revision: str) -> None:
    """The files were read again, and hold what is in force."""


@_event("error")
def policy_refused(policy: Path, revision: str, problems: tuple[Problem, ...]) -> None:
    """The files hold something that cannot be used; `revision` stays in force. Each problem has file, line, message."""


@_event("error")
def policy_not_loaded(policy: Path, revision: str, new_revision: str, cause: str, retry_s: float | None) -> None:
    """The files are sound, but no worker could load them; `revision` stays in force.

    It is tried again after `retry_s`; without that, a newer policy follows.
    """


@_event("warning")
def watch_failed(cause: str) -> None:
    """Policy, keys and files of TLS cannot be watched, so only SIGHUP reloads them. It is tried again every second."""


@_event("info")
def watch_restored() -> None:
    """Policy, keys and files of TLS are watched again."""
