"""Measures a tenfold flood of tier `any`, with limits and without: `python -m benchmarks limits`; a minute.

Method: a real Envoy on the rendered embedded configuration, the real service, and two sample backends that together
take 100 requests a second and queue the others. All tiers usually send three quarters of their share; then `any` sends
ten times that, from 200 instances, each of which stays far below its own limit. Clients give up after 2 seconds, and
the backends drop their requests. The limits are the shipped ones of ai_gateway, except that the capacity is that of
these backends and that attempts per address are not counted, since all clients are on this machine. Without limits
means the same limits in shadow mode. Each runs once, in one process that sends the same requests at the same times,
drawn at random from one seed. It prints a table of the flood and draws limits.svg.
"""

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from benchmarks.limits_plot import Panel, draw
from benchmarks.limits_traffic import PATIENCE, Crowd, Outcome, Phase, send
from dev import certificate
from dev.process import Child, ProcessGroup
from tests.support.e2e.limited import with_limits
from tests.support.e2e.processes import SECONDS, SHIPPED, Service, start_envoy
from tests.support.minting import write_keys
from tests.support.repository import ROOT

BACKEND: Final = "ai_gateway"
SLOTS, SERVICE_TIME, PER_SECOND = 5, 0.1, 100  # two backends: 2 * 5 / 0.1
PORTS: Final = (8101, 8102)
CLOSED: Final = 1
CROWDS: Final = (
    Crowd("any", 7.5, instances=200, users=2),
    Crowd("small", 15, instances=20, users=4),
    Crowd("medium", 22.5, instances=10, users=10),
    Crowd("large", 30, instances=5, users=30),
)
USUAL: Final[Mapping[str, float]] = {}
FLOOD: Final = {"any": 10.0}
PHASES: Final = (Phase(5, dict(USUAL)), Phase(15, FLOOD), Phase(5, dict(USUAL)))
PLOT: Final = Path(__file__).with_suffix(".svg")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with or without limits, and the outcome of each request."""

    name: str
    outcomes: Sequence[Outcome]


def main(phases: Sequence[Phase] = PHASES, plot: Path = PLOT) -> int:
    """Run both, print the table, write the plot."""
    runs = compare(phases)
    print(table(runs, phases))
    begins = phases[0].seconds
    panels = [Panel(run.name, run.outcomes) for run in runs]
    plot.write_text(draw(panels, sum(phase.seconds for phase in phases), (begins, begins + phases[1].seconds)), "utf-8")
    print(f"\n{plot}", file=sys.stderr)
    return 0


def compare(phases: Sequence[Phase]) -> list[Run]:
    """Run the same traffic without the limits and with them, before the same service and fresh backends."""
    with TemporaryDirectory() as name:
        return [
            Run(said, run_once(Path(name) / f"{shadow}", phases, shadow=shadow))
            for said, shadow in (("without limits", True), ("with limits", False))
        ]


def run_once(folder: Path, phases: Sequence[Phase], *, shadow: bool) -> Sequence[Outcome]:
    """Start everything, send the traffic, end everything."""
    with door(folder, yaml.safe_dump(experiment_limits(shadow=shadow))) as port:
        outcomes = send(port, CROWDS, phases)
    strange = {outcome.status for outcome in outcomes} - {0, 200, 429, 503}
    if strange:
        raise RuntimeError(f"the door answered {sorted(strange)}, which does not come from limits")
    return outcomes


def experiment_limits(*, shadow: bool) -> dict[str, Any]:  # Any: YAML as it is written
    """Return the shipped limits for backends of this size and clients on this machine; or all in shadow mode."""
    limits: dict[str, Any] = yaml.safe_load((SHIPPED.folder / "limits.yaml").read_text("utf-8"))
    limits["backend_services"][BACKEND]["capacity"] = f"{PER_SECOND}/second"
    limits["addresses"]["exempt"].append("127.0.0.0/8")
    if shadow:
        for backend in limits["backend_services"].values():
            for each in (backend, *backend.get("unit_primitives", {}).values()):
                each["tiers"] = {name: _in_shadow(tier) for name, tier in each["tiers"].items()}
    return limits


def _in_shadow(tier: Mapping[str, str]) -> dict[str, object]:
    return {kind: {"share" if kind == "share" else "limit": rate, "shadow": True} for kind, rate in tier.items()}


@contextmanager
def door(folder: Path, limits: str) -> Iterator[int]:
    """Run a whole door with only one live backend while the block runs; yield the port of its plain listener."""
    (folder / "run" / "authz").mkdir(parents=True)
    write_keys(folder / "run" / "keys")
    certificate.ensure(folder / "run" / "tls", datetime.now(UTC))
    source, authz = with_limits(folder / "source", limits), Service(folder)
    with ProcessGroup(folder / "logs") as processes:
        backends = [processes.start(f"{BACKEND}-{port}", _backend(port), {"PYTHONPATH": str(ROOT)}) for port in PORTS]
        authz.start()
        try:
            others = dict.fromkeys((8111, 8112, 8113, 8114, 8121, 8122, 8131, 8132), CLOSED)
            ports = {shipped: _port(processes, each) for shipped, each in zip(PORTS, backends, strict=True)}
            processes.wait_until(authz.is_up, "authz", SECONDS)
            envoy = start_envoy(processes, folder, "envoy", source, {**others, **ports})
            wanted = {"authz": 1, BACKEND: len(PORTS)}
            processes.wait_until(
                lambda: all(envoy.healthy(name) == count for name, count in wanted.items()), "the door", SECONDS
            )
            yield envoy.plain
        finally:
            authz.stop()


def _backend(port: int) -> list[str]:
    size = ("--slots", str(SLOTS), "--service-time", str(SERVICE_TIME))
    return [sys.executable, "-m", "dev.backend", "--name", f"{BACKEND}-{port}", "--port", "0", *size]


def _port(processes: ProcessGroup, child: Child) -> int:
    def said() -> list[str]:
        return child.log.read_text().split("listens on http ")

    processes.wait_until(lambda: len(said()) > 1, child.name, SECONDS)
    return int(said()[1].split()[0])


def table(runs: Sequence[Run], phases: Sequence[Phase]) -> str:
    """Return the outcome of each tier's requests per second during the flood, as Markdown."""
    begins, seconds = phases[0].seconds, phases[1].seconds
    head = "| tier | asked for |" + "".join(f" {run.name}: served | refused | p99, ms |" for run in runs)
    rows = [head, "|---|---|" + "---|---|---|" * len(runs)]
    for crowd in CROWDS:
        cells: list[str] = []
        for run in runs:
            found = [
                each for each in run.outcomes if each.tier == crowd.tier and begins <= each.sent < begins + seconds
            ]
            cells = cells or [f"| {crowd.tier} | {len(found) / seconds:.1f} |"]
            served = sum(each.served for each in found) / seconds
            refused = sum(each.refused for each in found) / seconds
            cells.append(f" {served:.1f} | {refused:.1f} | {worst([each for each in found if not each.refused])} |")
        rows.append("".join(cells))
    return "\n".join(rows)


def worst(found: Sequence[Outcome]) -> str:
    """Return the time within which 99 % of the requests that no limit refused were answered, in milliseconds."""
    if len(found) < 2:
        return "-"
    seconds = statistics.quantiles((each.seconds if each.served else PATIENCE for each in found), n=100)[98]
    return f"over {PATIENCE * 1000:,.0f}" if seconds >= PATIENCE else f"{seconds * 1000:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
