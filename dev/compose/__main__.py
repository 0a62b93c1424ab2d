"""`make up-compose`, `apply-compose` and `down-compose`: runs the whole door in containers."""

import argparse
import http
import http.client
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dev import certificate
from dev.compose import files as compose_files
from dev.compose.command import ComposeError, Stack, check_engine, compose_command
from dev.compose.requests import TlsRequest
from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from dev.envoy.program import MissingBinaryError
from dev.up.door import KEYS
from dev.up.requests import AUTHZ, NEEDED_SCOPE, OTHER_SCOPE, Answer, CommandError, issue_token, make_keys, run_command
from dev.up.screen import Screen, screen

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = compose_files.shared(Path("envoy"))
FILES = Path("run/compose")
PUBLIC = ("*.jwks.json", "*.ca.pem")
TLS_PORT = "8443/tcp"
OBSERVED = {"OTLP_ENDPOINT": "http://collector:4318"}
START_SECONDS = 30.0
POLL_SECONDS = 0.25


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 with one message on stderr."""
    asked = _parser().parse_args(arguments)
    os.chdir(ROOT)
    try:
        asked.run(asked)
    except (ComposeError, CommandError, MissingBinaryError, OSError) as problem:
        print(f"{asked.what}-compose: {problem}", file=sys.stderr)
        return 1
    return 0


def prepare(source: EnvoyFiles, files: Path) -> Path:
    """Write what the containers read below `files`, except the keys; return the file of the certificate's authority.

    Only this user may enter the folder; the files in it must be readable for the users inside the containers. Raises
    ComposeError if Envoy would refuse its files, or OSError.
    """
    problems = check(source)
    if problems:
        raise ComposeError("Envoy would refuse its configuration\n" + "\n".join(map(str, problems)))
    files.mkdir(parents=True, exist_ok=True)
    files.chmod(0o700)
    made = certificate.ensure(files / "tls", datetime.now(UTC))
    made.key.chmod(0o644)
    compose_files.write(source, compose_files.shared(files / "envoy"))
    return made.authority


def copy_public_keys(keys: Path, target: Path) -> None:
    """Copy the public keys, and nothing else, to where authz reads them. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    for file in (file for pattern in PUBLIC for file in keys.glob(pattern)):
        draft = target / f".{file.name}"
        shutil.copyfile(file, draft)
        draft.replace(target / file.name)


def start(stack: Stack, *options: str) -> None:
    """Build and start everything. Raises ComposeError, which names each unhealthy container."""
    try:
        stack.run("build")
        stack.run("up", "--detach", *options)
    except ComposeError as problem:
        raise ComposeError("\n".join((str(problem), *stack.unhealthy()))) from problem


def _up(asked: argparse.Namespace) -> None:
    output = screen()
    output.line("Starting the door in containers")
    command = compose_command()
    check_engine()
    authority = prepare(SHIPPED, FILES)
    make_keys(KEYS)
    copy_public_keys(KEYS, FILES / "keys")
    output.step("files", f"{FILES}: keys, certificate, files of Envoy and the rate limit service")
    observed = ["--profile", "observability"] if asked.observability else []
    stack = Stack((*command, *observed), environment=OBSERVED if asked.observability else {})
    output.step("containers", "building and starting, a few minutes the first time")
    start(stack)
    for each in stack.containers():
        output.step(each.service, f"{each.image}, {each.health or each.status}")
    _present(stack, authority, output)


def _present(stack: Stack, authority: Path, output: Screen) -> None:
    ports = sorted(each.ports[TLS_PORT] for each in stack.containers("envoy"))
    good = TlsRequest(ports[0], authority, issue_token(KEYS, NEEDED_SCOPE))
    bad = TlsRequest(ports[0], authority, issue_token(KEYS, OTHER_SCOPE))
    allowed = _until(good.send, http.HTTPStatus.OK, stack)
    refused = _until(bad.send, http.HTTPStatus.FORBIDDEN, stack)
    output.heading("The door is running")
    for port in ports:
        output.step("TLS", f"https://localhost:{port} (curl --cacert {authority})")
    output.heading(f"Allowed, {allowed.status}: {allowed.member('name')} returns the request that reached it")
    output.line(good.curl())
    output.heading(f"Refused, {refused.status}: this token is valid, but lacks the scope {NEEDED_SCOPE}")
    output.line(bad.curl())
    output.line(refused.body.strip())
    output.heading("Limited, 429: the first request again and again, until the limit refuses it")
    output.line(good.curl_until_limited())
    output.heading("make down-compose stops and removes all of it. The tokens are valid for a day.")


def _until(ask: Callable[[], Answer], wanted: int, stack: Stack) -> Answer:
    """Return the answer once it has the wanted status. Raises ComposeError with the last answer."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answer: Answer | Exception = ask()
        except (OSError, http.client.HTTPException) as problem:
            answer = problem
        if isinstance(answer, Answer) and answer.status == wanted:
            return answer
        if time.monotonic() > deadline:
            last = f"{answer.status} {answer.body}" if isinstance(answer, Answer) else str(answer)
            raise ComposeError("\n".join((f"the door answers {last} instead of {wanted}", *stack.unhealthy())))
        time.sleep(POLL_SECONDS)


def _apply(_: argparse.Namespace) -> None:
    run_command((str(AUTHZ), "limits", "render"))
    problems = check(SHIPPED)
    if problems:
        raise ComposeError("\n".join(map(str, problems)))
    compose_files.write_watched(SHIPPED, compose_files.shared(FILES / "envoy"))
    copy_public_keys(KEYS, FILES / "keys")
    print(f"{FILES} now has the limits, clusters and routes of {SHIPPED.folder} and the keys of {KEYS}")


def _down(_: argparse.Namespace) -> None:
    Stack((*compose_command(), "--profile", "observability")).run("down", "--volumes", "--remove-orphans")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.compose", description="run the whole door in containers")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, run, does in (
        ("up", _up, "write what the containers read, build and start them, and show what the door does"),
        ("apply", _apply, "give edited limits, routes, clusters and new keys to the running containers"),
        ("down", _down, "stop and remove all of it"),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.set_defaults(run=run)
        if name == "up":
            command.add_argument("--observability", action="store_true", help="with Prometheus, Grafana, a collector")
    return parser


if __name__ == "__main__":
    sys.exit(main())
