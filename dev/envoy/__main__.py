"""Checks what Envoy reads and applies edits of it: `python -m dev.envoy check` and `python -m dev.envoy apply`."""

import argparse
import sys
from pathlib import Path

from dev.envoy import limits as envoy_limits
from dev.envoy.admin import AdminError
from dev.envoy.apply import ApplyError, apply
from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles
from dev.envoy.program import MissingBinaryError
from dev.envoy.running import engine_of, moved_ports
from dev.ratelimit.program import BuildError
from dev.ratelimit.service import LimitsRefusedError
from dev.up.plan import PlanError

SHIPPED = Path("envoy")
RUNNING = Path("run/envoy")
FINDING = 1


def main(arguments: list[str] | None = None) -> int:
    """Return 0, 1 with problems on stderr, or 2 for wrong usage."""
    asked = _parser().parse_args(arguments)
    source = EnvoyFiles(asked.source)
    try:
        limits = envoy_limits.render if asked.what == "apply" else envoy_limits.check
        problems = limits(source) or tuple(map(str, check(source)))
        if problems:
            print(*problems, sep="\n", file=sys.stderr)
            return FINDING
        if asked.what == "check":
            print(f"{source.folder}: Envoy accepts all of it")
            return 0
        running = engine_of(EnvoyFiles(asked.to))
        source = EnvoyFiles(asked.source, running.engine)
        print(*apply(source, running, moved_ports(source, running)), sep="\n")
    except (ApplyError, AdminError, MissingBinaryError, PlanError, BuildError, LimitsRefusedError) as problem:
        print(problem, file=sys.stderr)
        return FINDING
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.envoy", description="check what Envoy reads, and apply edits")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, does in (
        ("check", "let Envoy validate the bootstrap together with routes, clusters and TLS"),
        (
            "apply",
            "check, then give edited routes, clusters and limits to a running Envoy, and wait for it to use them",
        ),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("source", nargs="?", type=Path, default=SHIPPED, help="the folder (default: envoy)")
        if name == "apply":
            command.add_argument("--to", type=Path, default=RUNNING, help="where Envoy reads (default: run/envoy)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
