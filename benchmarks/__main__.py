"""Measures the steps of a check, in turn: `python -m benchmarks [STEP...]`; or runs one experiment."""

import sys
from importlib import import_module
from typing import Final

from benchmarks.measuring import measure, table

STEPS: Final = ("parse", "match", "verify", "chains", "revocations", "decide", "serialise", "whole", "observe")
EXPERIMENTS: Final = ("limits", "loading", "server")
"""Not among the steps: they start programs, take about a minute, and print their own tables."""


def main(wanted: list[str]) -> int:
    """Print a table of the named steps, or of all; an experiment runs alone."""
    if len(wanted) == 1 and wanted[0] in EXPERIMENTS:
        return int(import_module(f"benchmarks.{wanted[0]}").main())
    unknown = sorted(set(wanted) - set(STEPS))
    if unknown:
        said = f"there are {', '.join(STEPS)}, and, alone, {', '.join(EXPERIMENTS)}"
        print(f"no such step: {', '.join(unknown)}; {said}", file=sys.stderr)
        return 2
    steps = [import_module(f"benchmarks.{name}") for name in wanted or STEPS]
    print(table(measure(case for step in steps for case in step.cases())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
