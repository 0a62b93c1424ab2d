"""Measures the loading of 100,000 revocations from a file, three times: `python -m benchmarks.loading`."""

import statistics
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from authz.documents.findings import Findings
from authz.policy.revocations import read_revocations

COUNT: Final = 100_000
ROUNDS: Final = 3


def main() -> int:
    """Print the time that it took."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "revocations.yml"
        entries = (f"  - {{value: {uuid.UUID(int=number)}, reason: stolen}}\n" for number in range(COUNT))
        file.write_text("instances:\n" + "".join(entries))
        seconds = [load(file) for _ in range(ROUNDS)]
    print(f"{COUNT:,} revocations in {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")
    return 0


def load(file: Path) -> float:
    """Read the file once. Raises RuntimeError if not all of it is read."""
    findings, started = Findings(), time.perf_counter()
    revocations = read_revocations(file, (), {}, findings)
    if findings.problems or len(revocations.instances) != COUNT:
        raise RuntimeError(f"revocations are missing: {findings.problems}")
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
