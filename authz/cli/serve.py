"""`authz serve`: the one place where the service is wired together."""

from __future__ import annotations

import gc
import signal
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from authz.check import Check
from authz.cli.options import ENVIRONMENT, KEYS, POLICY, variable
from authz.decision_log import DecisionLog
from authz.lines import Lines
from authz.observe import LOG_LEVELS, STDERR, fault, start_logging
from authz.policy import load_policy
from authz.server import Bounds, Server
from authz.settings import AddressTemplate, ServeSettings
from authz.sockets import AddressUnusableError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from authz.policy import Policy

__all__ = ["serve"]

DRAIN_SECONDS: Final = 10.0
BOUNDS: Final = Bounds(max_in_flight=1_000, max_age=1.0)
_LATER: Final = {
    "--workers": "this version runs one worker",
    "--admin": "this version has no admin port",
    "--log-allow-sample": "this version writes no decision log",
    "--drain": f"this version finishes requests in flight for up to {DRAIN_SECONDS:.0f}s",
    "--endpoints-file": "this version writes no endpoints file",
    "--otlp-endpoint": "this version sends no traces",
}


class _Addresses(click.ParamType[AddressTemplate]):
    """An address template; a variable lists several, separated by commas."""

    name = "address"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AddressTemplate:
        if isinstance(value, AddressTemplate):
            return value
        try:
            return AddressTemplate.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _refused_until_later(command: Callable[..., None]) -> Callable[..., None]:
    """Refuse the flags that a later version has, by name: ignored in silence they would mislead."""

    def refuse(_ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            flag = param.opts[0]
            raise click.UsageError(f"{flag} ({variable(flag)}) is not available yet: {_LATER[flag]}")

    for flag in _LATER:
        option = click.option(flag, envvar=variable(flag), hidden=True, expose_value=False, callback=refuse)
        command = option(command)
    return command


@click.command()
@POLICY
@KEYS
@ENVIRONMENT
@click.option(
    "--listen",
    envvar=variable("--listen"),
    type=_Addresses(),
    multiple=True,
    default=("127.0.0.1:9000",),
    show_default=True,
    show_envvar=True,
    help="HOST:PORT or unix:PATH; repeatable; {worker} and {9000+worker} count workers from 0.",
)
@click.option(
    "--log-level",
    envvar=variable("--log-level"),
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    show_envvar=True,
    help="Least severe lines to write; those of decisions are always written.",
)
@click.option(
    "--allow-empty-issuers",
    envvar=variable("--allow-empty-issuers"),
    is_flag=True,
    show_envvar=True,
    help="Weakens a check: start although an issuer has no key; its tokens are refused.",
)
@click.option(
    "--allow-unlabelled-routes",
    envvar=variable("--allow-unlabelled-routes"),
    is_flag=True,
    show_envvar=True,
    help="Weakens a check: let routes pass that do not name their backend service.",
)
@_refused_until_later
def serve(**flags: Any) -> None:  # Any: click hands over what the options above have made
    """Answer Envoy's checks until SIGTERM."""
    run(ServeSettings(**flags))


def run(settings: ServeSettings) -> None:
    """Load, listen, and serve until SIGTERM or SIGINT; requests in flight finish. Raises ConfigurationError."""
    addresses = [template.address(0) for template in settings.listen]
    if len(set(addresses)) < len(addresses):
        raise click.UsageError("--listen names one address twice")
    with Lines(STDERR) as lines:
        _serve(settings, addresses, lines)


def _serve(settings: ServeSettings, addresses: list[str], lines: Lines) -> None:
    log = start_logging(settings.log_level, lines.put)
    policy = load_policy(
        settings.policy,
        settings.keys,
        settings.environment,
        allow_empty_issuers=settings.allow_empty_issuers,
        allow_unlabelled_routes=settings.allow_unlabelled_routes,
    )
    _tell(log, settings, policy)
    check = Check(
        policy,
        time.time,
        report=lambda error: log.error("internal_error: %s", fault(error)),
        tell=DecisionLog(lines.put, 1.0, worker=0).observe,
    )
    server = Server(check, BOUNDS, beat=lambda: None, refused=lambda: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop(DRAIN_SECONDS))
    _listen(server, addresses, log)
    # What was loaded stays for good: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    server.run()
    log.info("stopped")


def _listen(server: Server, addresses: list[str], log: logging.Logger) -> None:
    try:
        for address in server.start(addresses):
            log.info("listening on %s", address)
    except AddressUnusableError as error:
        _fail(str(error))


def _tell(log: logging.Logger, settings: ServeSettings, policy: Policy) -> None:
    for warning in policy.warnings:
        log.warning("%s", warning)
    for name in ("allow_empty_issuers", "allow_unlabelled_routes"):
        if getattr(settings, name):
            log.warning("--%s is set: a check is weakened", name.replace("_", "-"))
    issuers = ", ".join(issuer.name for issuer in policy.issuers)
    log.info(
        "policy %s revision %s, environment %s: %s", settings.policy, policy.revision, settings.environment, issuers
    )


def _fail(message: str) -> NoReturn:
    raise click.ClickException(message)
