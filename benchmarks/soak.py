"""Measures whether a service's memory grows with time: `python -m benchmarks.soak [SECONDS]` or `make soak`; 10 min.

Method: `authz serve` with two workers, on Unix sockets. Two clients of each worker send a hundred requests a second
each: half of them with new tokens, the rest with known, expired and forged ones, without any, and with bytes that are
no request; each answer is compared with the expected one. Every thirty seconds the policy changes and is reloaded. The
resident memory of each process is read every second. The first quarter is for warming up; the memory is flat if no
process's median over the last quarter is more than 2 %, or 1 MiB, above its median over the second quarter. The exit
code is 1 if it is not flat, an answer was wrong, a reload failed, or a worker had to be replaced, which happens if
other programs leave it no processor for seconds.
"""

import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.resident import resident
from benchmarks.soak_traffic import KEY, Client
from tests.support.cases.case_file import POLICY
from tests.support.e2e.processes import LogLine, Service, edit
from tests.support.minting import write_keys

LENGTH: Final = 600.0
WORKERS: Final = 2
CLIENTS: Final = 2
"""Of each worker."""
RELOAD_SECONDS: Final = 30.0
SAMPLE_SECONDS: Final = 1.0
START_SECONDS: Final = 30.0
MOST_GROWN: Final = 1.02
MOST_GROWN_MIB: Final = 1.0
ISSUER: Final = "issuer: https://customers.gitlab.com\n"

Samples = list[float]
"""Resident memory in MiB, in the order in which it was read."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The memory of one process in each quarter of a run, and at its peak; in MiB."""

    process: str
    quarters: tuple[float, ...]
    peak: float

    def is_flat(self) -> bool:
        """Whether the last quarter is no larger than the second, except for noise."""
        _, second, _, last = self.quarters
        return last <= max(second * MOST_GROWN, second + MOST_GROWN_MIB)


def growth(process: str, samples: Samples) -> Growth:
    """Summarise a process's samples, of which there are at least four."""
    quarter = len(samples) // 4
    medians = (statistics.median(samples[part * quarter : (part + 1) * quarter]) for part in range(4))
    return Growth(process, tuple(medians), max(samples))


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """Run the service in a folder, with a policy to edit, and end it."""
    policy = shutil.copytree(POLICY, folder / "policy", ignore=shutil.ignore_patterns("schema", "keys"))
    edit(policy / "issuers.yml", [(ISSUER, f"{ISSUER}    algorithms: [EdDSA]\n")])
    write_keys(folder / "run" / "keys")
    write_keys(folder / "run" / "keys", {"customers-dot": [KEY]})
    (folder / "run" / "authz").mkdir()
    service = Service(folder, policy, WORKERS, ("--log-allow-sample", "0"))
    service.start()
    try:
        wait_until(lambda: len(service.events("worker_listening")) == WORKERS)
        yield service
    finally:
        service.stop()


def watch(service: Service, revocations: Path, length: float) -> Mapping[str, Samples]:
    """Read every process's memory for that long, and change the policy now and then."""
    names = ["supervisor", *(f"worker {number}" for number in range(WORKERS))]
    samples: dict[str, Samples] = {name: [] for name in names}
    began, edits, pause = time.monotonic(), 0, threading.Event()
    for number in range(max(4, int(length / SAMPLE_SECONDS))):
        pause.wait(max(0.0, began + number * SAMPLE_SECONDS - time.monotonic()))
        if time.monotonic() >= began + (edits + 1) * RELOAD_SECONDS:
            edits += 1
            prepared = revocations.with_name(".new")
            prepared.write_text(f"instances: []\n# {edits}\n", "utf-8")
            prepared.replace(revocations)
        for name, pid in zip(names, [service.supervisor(), *service.pids()], strict=True):
            with suppress(FileNotFoundError):  # it was replaced, which the verdict reports
                samples[name].append(resident(pid))
    return samples


def faults(grown: Sequence[Growth], wrong: Mapping[str, int], events: Sequence[LogLine]) -> list[str]:
    """Return what should not be; `events` is what the service has told its operators."""
    return [
        *(f"{each.process} has grown" for each in grown if not each.is_flat()),
        *(f"{times:,} times {what}" for what, times in wrong.items()),
        *(str(line) for line in events if line["level"] in {"warning", "error"}),
    ]


def table(grown: Sequence[Growth]) -> str:
    """Return the medians as Markdown."""
    rows = [
        f"| {each.process} | " + " | ".join(f"{median:.1f}" for median in (*each.quarters, each.peak)) + " |"
        for each in grown
    ]
    head = "| resident memory, MiB | 1st quarter | 2nd | 3rd | 4th | peak |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def main(arguments: Sequence[str]) -> int:
    """Print the table and the verdict."""
    length = float(arguments[0]) if arguments else LENGTH
    with TemporaryDirectory(prefix="soak-") as made, serving(Path(made)) as service:
        ended = threading.Event()
        places = [(number, Path(made) / f"run/authz/{number}.sock") for number in range(WORKERS)] * CLIENTS
        clients = [Client(f"{number}", socket, ended) for number, (_, socket) in enumerate(places)]
        with ThreadPoolExecutor(len(clients)) as pool:
            asking = [pool.submit(client.run) for client in clients]
            try:
                samples = watch(service, Path(made) / "policy/revocations.yml", length)
            finally:
                ended.set()
            for each in asking:
                each.result()
        events = service.events()
    answers = sum((client.answers for client in clients), Counter[str]())
    wrong = sum((client.wrong for client in clients), Counter[str]())
    grown = [growth(name, found) for name, found in samples.items()]
    kinds = ", ".join(f"{kind} {times:,}" for kind, times in answers.most_common())
    reloads = sum(line["event"] == "policy_in_force" for line in events)
    print(f"{table(grown)}\n\n{length:,.0f} s, {answers.total():,} answers ({kinds}), {reloads} reloads")
    found = faults(grown, wrong, events)
    flat = "flat: no process has grown by more than the noise, and every answer was the one that is due"
    print("\n".join(["not flat:", *found]) if found else flat)
    return 1 if found else 0


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the service was not ready in time")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
