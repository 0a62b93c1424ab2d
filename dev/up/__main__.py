"""`make up`, `make up-shared`: runs the whole door on this machine (Envoy, authz, sample backends) until Ctrl-C."""

import argparse
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dev.envoy import files as envoy_files
from dev.envoy.files import Engine
from dev.envoy.program import MissingBinaryError
from dev.process import ChildEndedError, NotReadyError, ProcessGroup
from dev.ratelimit.program import BuildError
from dev.ratelimit.redis_server import MissingRedisError
from dev.ratelimit.service import LimitsRefusedError
from dev.up import shared as up_shared
from dev.up.door import AUTHZ_ADMIN, COMMANDS, ENDPOINTS, RUN, DoorError, Ports, Proof, Proofs, close_door, open_door
from dev.up.lock import AlreadyRunningError, only_one
from dev.up.plan import OFFSET, PORTS, PlanError
from dev.up.requests import NEEDED_SCOPE, CommandError
from dev.up.screen import Screen, screen

ROOT = Path(__file__).resolve().parents[2]
LOGS = RUN / "logs"
USAGE = 2
WATCH_SECONDS = 0.25
SETTINGS = {
    "PORT": (envoy_files.PLAIN, "plain HTTP"),
    "TLS_PORT": (envoy_files.TLS, "TLS"),
    "ADMIN_PORT": (envoy_files.ADMIN, "Envoy's admin interface"),
    "AUTHZ_PORT": (AUTHZ_ADMIN, "authz's admin interface: health, metrics, revision"),
}
EXAMPLES = {"PORT": 9080, "TLS_PORT": 9443, "ADMIN_PORT": 9902, "AUTHZ_PORT": 9191, OFFSET: 1000}
MISSING = (MissingBinaryError, MissingRedisError, BuildError, LimitsRefusedError)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Return 0 after it was stopped, 1 with one message on stderr after a failure, 2 for an invalid port."""
    ports = _asked_ports()
    parent = os.getppid()
    _stop_on_signals()
    os.chdir(ROOT)
    output = screen()
    try:
        with only_one(RUN / "up.lock"):
            return _run(ports, output, parent)
    except KeyboardInterrupt:
        return 0
    except AlreadyRunningError as other:
        stop = f"stop that one first (Ctrl-C there, or kill {other})"
        return _fail(ports.command, f"it is running already, as process {other}: {stop}")
    except OSError as problem:
        return _fail(ports.command, str(problem))


def _run(ports: Ports, output: Screen, parent: int) -> int:
    output.line("Opening the door")
    try:
        with ProcessGroup(LOGS) as processes:
            _present(open_door(processes, ports, output), ports, output)
            try:
                _watch(processes, parent)
            except KeyboardInterrupt:
                close_door(ports)
                raise
    except KeyboardInterrupt:
        output.line()
        output.line("Stopped; nothing is left running.")
        return 0
    except ChildEndedError as ended:
        lines = "".join(f"\n  {line}" for line in ended.child.last_lines())
        return _fail(ports.command, f"{ended}; the end of {ended.child.log}:{lines}")
    except (PlanError, CommandError, NotReadyError, DoorError, *MISSING) as problem:
        return _fail(ports.command, str(problem))
    finally:
        ENDPOINTS.unlink(missing_ok=True)


def _watch(processes: ProcessGroup, parent: int) -> NoReturn:
    """Wait until a child ends, a signal arrives, or the terminal or make ends, after which no signal can arrive.

    A closing terminal signals only the leader of its session; if that is make, make just goes on waiting. It does the
    same if it alone is interrupted, because it assumes that its children were, too.
    """
    on_terminal, under_make = os.isatty(0), "MAKELEVEL" in os.environ
    interruptible = under_make and _catches_interrupts(parent)
    while True:
        processes.check()
        if (on_terminal and not os.isatty(0)) or (under_make and os.getppid() != parent):
            raise KeyboardInterrupt
        if interruptible and not _catches_interrupts(parent):
            raise KeyboardInterrupt
        time.sleep(WATCH_SECONDS)


def _catches_interrupts(process: int) -> bool:
    """Whether the process catches SIGINT; make stops that when it is interrupted. False if it cannot be read."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)


def _present(proofs: Proofs, ports: Ports, output: Screen) -> None:
    output.heading("The door is open")
    output.step("plain", f"http://127.0.0.1:{ports.plain}")
    output.step("TLS", f"https://localhost:{ports.tls} (curl --cacert {proofs.authority})")
    output.step("admin", f"http://127.0.0.1:{ports.admin} (Envoy), http://127.0.0.1:{ports.authz} (authz)")
    output.step("logs", f"{LOGS}/*.log")
    if ports.engine is Engine.SHARED:
        up_shared.present(ports.offset, output)
    name = proofs.let_in.answer.member("name")
    _present_request(f"Let in, {proofs.let_in.answer.status}: {name} echoes what reached it", proofs.let_in, output)
    _present_request(
        f"Refused, {proofs.refused.answer.status}: this token is good, but does not hold the scope {NEEDED_SCOPE}",
        proofs.refused,
        output,
    )
    output.line(proofs.refused.answer.body.strip())
    output.heading("Ctrl-C stops all of it. The tokens are good for a day.")


def _present_request(title: str, proof: Proof, output: Screen) -> None:
    output.heading(title)
    output.line(proof.request.curl())


def _stop_on_signals() -> None:
    """Stop after the first signal and ignore later ones. A SIGHUP that nohup ignores stays ignored."""

    def begin(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, begin)


def _asked_ports() -> Ports:
    parser = argparse.ArgumentParser(prog="python -m dev.up", description="the whole door on this machine")
    for setting in (*SETTINGS, OFFSET):
        flag = f"--{setting.lower().replace('_', '-')}"
        parser.add_argument(flag, default=os.environ.get(setting, ""), help=_meaning(setting), metavar="N")
    counts = "who counts for the rate limits: Envoy itself, or a service for several (default: embedded)"
    parser.add_argument("--engine", type=Engine, choices=Engine, default=Engine.EMBEDDED, help=counts)
    asked = vars(parser.parse_args())
    command = COMMANDS[asked["engine"]]
    offset = _number(command, OFFSET, asked[OFFSET.lower()] or "0", range(1 - PORTS, PORTS))
    plain, tls, admin, authz = (
        _number(command, setting, text, range(1, PORTS)) if (text := asked[setting.lower()]) else default + offset
        for setting, (default, _) in SETTINGS.items()
    )
    return Ports(plain, tls, admin, authz, offset, asked["engine"])


def _meaning(setting: str) -> str:
    if setting == OFFSET:
        return f"what to add to every port, those of the sample backends too (default: ${OFFSET}, else 0)"
    default, what = SETTINGS[setting]
    return f"port for {what} (default: ${setting}, else {default})"


def _number(command: str, setting: str, text: str, allowed: range) -> int:
    number = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None
    if number is None or number not in allowed:
        wanted = f"a number from {allowed.start} to {allowed.stop - 1}"
        _fail(command, f"{setting}={text} will not do: give {wanted}, as in {command} {setting}={EXAMPLES[setting]}")
        raise SystemExit(USAGE)
    return number


def _fail(command: str, message: str) -> int:
    print(f"{command}: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
