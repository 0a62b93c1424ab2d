"""Times everything that needs no server, side by side: `python -m benchmarks [STEP...]`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

from benchmarks.measuring import measure, table

STEPS: Final = ("parse", "match", "verify", "chains", "revocations", "decide", "serialise", "whole", "observe")


def main(wanted: list[str]) -> int:
    """Print a table of the steps that are named, or of all."""
    unknown = sorted(set(wanted) - set(STEPS))
    if unknown:
        print(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    steps = [import_module(f"benchmarks.{name}") for name in wanted or STEPS]
    print(table(measure(case for step in steps for case in step.cases())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
