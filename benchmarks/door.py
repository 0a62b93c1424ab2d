"""Measures the cost of a request in each part of the door: `python -m benchmarks.door`; needs Docker and h2load.

Method: the compose stack as its tests start it (two Envoys, two authz workers, the rate limit service, Redis); h2load
asks one Envoy over TLS on 10 connections with 2 requests in flight on each; 5 rounds of 4,000 requests, the cases in
turn, after one to warm up. The figure is the median processor time of a request: the time that the kernel charged to
the processes of each container in a round, divided by the requests. Other load on the machine hardly changes it, unlike
requests per second. All requests have the same token, every decision is logged, no limit is reached, and 99 of 100
answers must be as expected: on a busy machine some are 503. The backends are not counted.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.server import INSTALL
from dev.compose.command import Container
from tests.support.compose.client import COMPLETIONS, Caller, Client
from tests.support.compose.door import Door, docker, open_door
from tests.support.minting import Minter
from tests.support.repository import ROOT

ROUNDS: Final = 5
REQUESTS: Final = 4_000
LOAD: Final = ("--threads=1", "--clients=10", "--max-concurrent-streams=2", f"--requests={REQUESTS}")
SERVICES: Final = ("envoy", "authz", "ratelimit", "redis")
RIGHT: Final = 0.99
STATUSES: Final = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)
TICK: Final = 1_000_000 / os.sysconf("SC_CLK_TCK")


class WrongAnswersError(Exception):
    """Too many requests got an unexpected answer; the message is h2load's report."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request, and the class of its expected status."""

    name: str
    scopes: Sequence[str] | None
    family: int


CASES: Final = (Case("allow", ("complete_code",), 2), Case("refuse: no token", None, 4))


def main() -> int:
    """Measure, and print a table."""
    if shutil.which("h2load") is None:
        print(INSTALL, file=sys.stderr)
        return 1
    with open_door(ROOT / "run" / "compose-benchmark") as door:
        client = Client(door.ports()[0], door.authority, Minter(now=time.time()))
        # Enough seats for the largest tier: 100,000 a day are its limit in these tests.
        customer = Caller(str(uuid.uuid4()), seats=5000)
        costs = measured(door, {case: client.headers(customer, COMPLETIONS, case.scopes) for case in CASES})
    print(f"| CPU of a request, µs | {' | '.join(SERVICES)} |")
    print(f"|---|{'---|' * len(SERVICES)}")
    for case, rounds in costs.items():
        columns = zip(*rounds, strict=True)
        print(f"| {case.name} | {' | '.join(cell(list(each)) for each in columns)} |")
    return 0


def measured(door: Door, asked: Mapping[Case, Mapping[str, str]]) -> dict[Case, list[Sequence[float]]]:
    """Return for each case its rounds, each with the cost of a request in each service."""
    port = door.ports()[0]
    one = next(each for each in door.stack.containers("envoy") if port in each.ports.values())
    parts = (one, *(door.container(service) for service in SERVICES[1:]))
    costs: dict[Case, list[Sequence[float]]] = {case: [] for case in asked}
    for number in range(ROUNDS + 1):
        for case, headers in asked.items():
            before = [spent(part) for part in parts]
            load(port, headers, case)
            after = [spent(part) for part in parts]
            if number:
                costs[case].append([cost(old, new) for old, new in zip(before, after, strict=True)])
    return costs


def load(port: int, headers: Mapping[str, str], case: Case) -> None:
    """Send a round. Raises WrongAnswersError unless nearly every answer has the expected class."""
    stated = [f"--header={name}: {value}" for name, value in headers.items()]
    line = ["h2load", *LOAD, "--header=:method: POST", *stated, f"https://localhost:{port}{COMPLETIONS}"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    found = STATUSES.search(done.stdout)
    if found is None or int(found[case.family - 1]) < REQUESTS * RIGHT:
        raise WrongAnswersError(done.stdout)


def spent(part: Container) -> dict[str, int]:
    """Return the processor time of each of the container's processes, in ticks of the kernel's clock."""
    processes = docker("top", part.id, "-eo", "pid").split()[1:]
    return {process: used for process in processes if (used := ticks(process)) is not None}


def ticks(process: str) -> int | None:
    """Return user and system time of a process; None if it has ended, as health checks soon do."""
    try:
        fields = Path("/proc", process, "stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])


def cost(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Return the microseconds of a request, from the processes that ran all the time."""
    return sum(after[process] - before[process] for process in before.keys() & after.keys()) * TICK / REQUESTS


def cell(rounds: Sequence[float]) -> str:
    """Format a median with its spread."""
    return f"{statistics.median(rounds):,.0f} ({min(rounds):,.0f} to {max(rounds):,.0f})"


if __name__ == "__main__":
    sys.exit(main())
