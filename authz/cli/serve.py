"""`authz serve`: the one place where the service is wired together."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.options import DURATION, ENVIRONMENT, KEYS, POLICY, Parsed, setting
from authz.observing import events
from authz.observing.json_log import LOG_LEVELS, STDERR, EventLog
from authz.observing.line_writer import LineWriter
from authz.server.addresses import AddressUnusableError, make_free
from authz.server.tls import San
from authz.serving.admin import Admin
from authz.serving.file_handles import TooFewHandlesError, raise_soft_limit
from authz.serving.release import release
from authz.serving.reload.reloader import Reloader, Report, Watch
from authz.serving.reload.renewal import NotRenewed, Renewal, Renewed
from authz.serving.reload.scratch import Scratch, remove_leftovers
from authz.serving.reload.snapshot import Snapshot, Sources, take
from authz.serving.reload.tls_files import TlsFileUnusableError
from authz.serving.settings import (
    MAX_WORKERS,
    AddressTemplate,
    ServeSettings,
    contradiction,
    default_workers,
    parse_collector,
    parse_network,
)
from authz.serving.supervision.endpoints import EndpointsFile, EndpointsFileUnusableError
from authz.serving.supervision.inbox import Inbox
from authz.serving.supervision.supervisor import Supervisor

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@POLICY
@KEYS
@ENVIRONMENT
@setting(
    "--listen",
    type=Parsed("address", AddressTemplate.parse, prefix=""),
    multiple=True,
    default=("127.0.0.1:9000",),
    help="HOST:PORT or unix:PATH; repeatable; {worker} and {9000+worker} count workers from 0.",
)
@setting(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    show_default="one per core if every --listen counts workers, else 1",
    help="Processes, each on an address of its own.",
)
@setting(
    "--max-in-flight",
    type=click.IntRange(1, 1_000_000),
    default=1_000,
    help="Unanswered checks that a worker takes; further ones are refused at once, and Envoy asks another worker.",
)
@setting(
    "--max-age",
    type=DURATION,
    default="500ms",
    help="How long a check may wait; then it is refused, and Envoy asks another worker.",
)
@setting(
    "--drain",
    type=DURATION,
    default="5s",
    help="How long it still answers after SIGTERM; its health says NOT_SERVING meanwhile.",
)
@setting(
    "--endpoints-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep Envoy's list of the workers that serve (EDS) in this file, JSON or YAML.",
)
@setting(
    "--admin",
    type=Parsed("address", parse_network, prefix=""),
    default="127.0.0.1:9091",
    help="HOST:PORT of /healthz, /readyz, /metrics and /revision; port 0 is any free one.",
)
@setting(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    help="Least severe events to log; decisions are always logged.",
)
@setting(
    "--log-allow-sample",
    type=click.FloatRange(0.0, 1.0),
    default=1.0,
    help="Share of allowed requests in the decision log, chosen at random; refused ones are all logged.",
)
@setting(
    "--log-header-values",
    type=click.Choice(["plain", "hashed", "off"]),
    default="hashed",
    help="How the decision log shows a header and its claim that differ: as text, as part of their SHA-256, or not.",
)
@setting(
    "--otlp-endpoint",
    type=Parsed("url", parse_collector, prefix=""),
    help="Send traces to this OpenTelemetry collector.",
)
@setting(
    "--allow-empty-issuers",
    is_flag=True,
    show_default=False,
    help="Weakens a check: start although an issuer has no key; its tokens are refused.",
)
@setting(
    "--allow-unlabelled-routes",
    is_flag=True,
    show_default=False,
    help="Weakens a check: let routes pass that do not name their backend service.",
)
@setting(
    "--tls-certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TLS on TCP listeners: the certificate chain to show, PEM. A renewed file is loaded at once.",
)
@setting(
    "--tls-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The private key of that certificate, PEM without a passphrase.",
)
@setting(
    "--tls-client-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The authorities that sign clients' certificates, PEM; a client without one is refused.",
)
@setting(
    "--tls-client-san",
    type=Parsed("name", San.parse, prefix=""),
    multiple=True,
    help="DNS name or URI that a client's certificate must have, such as spiffe://example.org/envoy; repeatable.",
)
@setting(
    "--allow-plaintext-tcp",
    is_flag=True,
    show_default=False,
    help="Weakens a check: bearer tokens cross the network unencrypted where --listen is no loopback address.",
)
def serve(workers: int | None, **flags: Any) -> None:  # Any: click hands over what the options above have made
    """Answer Envoy's checks until SIGTERM. SIGHUP reloads policy and keys; so does a change of their files."""
    settings = ServeSettings(workers=workers or default_workers(flags["listen"]), **flags)
    problem = contradiction(settings)
    if problem is not None:
        raise click.UsageError(problem)
    sys.exit(run(settings))


def run(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code. Raises ConfigurationError, before anything listens."""
    try:
        with (
            LineWriter(STDERR) as lines,
            Inbox[Report | Renewed | NotRenewed](*SIGNALS) as inbox,
            _scratch() as folder,
        ):
            # Logging must never block, least of all in the supervisor.
            return _supervise(settings, inbox, folder, EventLog(settings.log_level, lines.put))
    except (AddressUnusableError, EndpointsFileUnusableError, TlsFileUnusableError, TooFewHandlesError) as error:
        raise click.ClickException(str(error)) from None


def _scratch() -> Scratch:
    """Return a folder for what workers load."""
    try:
        parent = Path(tempfile.gettempdir())
        remove_leftovers(parent, os.getuid())
        return Scratch(parent)
    except OSError as error:
        raise click.ClickException(f"no folder for a copy of policy and keys: {error.strerror}; set TMPDIR") from None


def _first(sources: Sources, folder: Path) -> Snapshot:
    try:
        return take(sources, folder, None)
    except OSError as error:
        raise click.ClickException(f"policy and keys cannot be copied to {folder}: {error.strerror}") from None


def _supervise(
    settings: ServeSettings, inbox: Inbox[Report | Renewed | NotRenewed], folder: Path, log: EventLog
) -> int:
    warning = raise_soft_limit(settings.workers)
    if warning is not None:
        log.write(warning)
    sources = Sources.of(settings)
    snapshot = _first(sources, folder / "0")
    files = settings.tls_files()
    credentials = None if files is None else files.read()
    _log_start(log, settings, snapshot)
    for worker in range(settings.workers):
        for address in settings.addresses(worker):
            make_free(address)
    endpoints = None
    if settings.endpoints_file is not None:
        endpoints = EndpointsFile(settings.endpoints_file)
        endpoints.prepare()
    supervisor = Supervisor(settings, snapshot, credentials, inbox, endpoints, log)
    reloader = Reloader(sources, folder, supervisor.running, inbox.post)
    renewal = None if files is None else Renewal(files, inbox.post)

    def changed() -> None:
        reloader.changed()
        if renewal is not None:
            renewal.changed()

    def requested() -> None:
        reloader.request()
        if renewal is not None:
            renewal.request()

    tops = (settings.policy, settings.keys, *(() if files is None else files.paths()))
    watch = Watch(tops, changed, inbox.post)
    admin = Admin(settings.admin, supervisor.state, release())
    log.write(events.admin_listening(admin.start()))
    reloader.start()
    if renewal is not None:
        renewal.start()
    watch.start()
    try:
        return supervisor.run(requested)
    finally:
        watch.stop()
        admin.stop()


def _log_start(log: EventLog, settings: ServeSettings, snapshot: Snapshot) -> None:
    for name in ("allow_empty_issuers", "allow_unlabelled_routes", "allow_plaintext_tcp"):
        if getattr(settings, name):
            log.write(events.check_weakened("--" + name.replace("_", "-")))
    log.write(events.policy_loaded(settings.policy, snapshot.revision, settings.environment, snapshot.issuers))
