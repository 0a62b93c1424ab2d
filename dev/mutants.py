"""Prints the report of `make mutants`: a score for each module, and every mutant that no test noticed."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MADE: Final = Path("mutants")
PAGE: Final = Path("docs/mutation.md")
_SURVIVED: Final = 0
_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one module's mutants; those in `unclear` ended with neither a failed test nor success."""

    module: str
    noticed: int
    unclear: tuple[str, ...]
    survived: tuple[str, ...]

    @property
    def total(self) -> int:
        """The number of the module's mutants."""
        return self.noticed + len(self.unclear) + len(self.survived)

    def __str__(self) -> str:
        counts = f"{self.total:6} {self.noticed:8} {len(self.survived):9} {len(self.unclear):8}"
        return f"{self.module:26} {counts} {self.noticed / self.total:8.1%}"


def scores() -> list[Score]:
    """Read the results that mutmut wrote beside each changed module."""
    found = []
    for file in sorted(MADE.rglob("*.py.meta")):
        exits: dict[str, int | None] = json.loads(file.read_bytes())["exit_code_by_key"]
        if exits:
            survived = tuple(name for name, code in exits.items() if code == _SURVIVED)
            unclear = tuple(name for name, code in exits.items() if code not in {_SURVIVED, _FAILED})
            module = str(file.relative_to(MADE)).removesuffix(".meta")
            found.append(Score(module, len(exits) - len(survived) - len(unclear), unclear, survived))
    return found


def whole(parts: list[Score]) -> Score:
    """Add up the modules."""
    unclear = tuple(name for part in parts for name in part.unclear)
    survived = tuple(name for part in parts for name in part.survived)
    return Score("all", sum(part.noticed for part in parts), unclear, survived)


def main() -> int:
    """Print the report; return 1 if a mutant survived without a reason on the page, or ended unclearly."""
    parts = scores()
    if not parts:
        print("mutants: there are no results: run `make mutants`", file=sys.stderr)
        return 1
    total = whole(parts)
    print(f"{'module':26} {'made':>6} {'noticed':>8} {'survived':>9} {'unclear':>8} {'score':>8}")
    print(*parts, total, sep="\n")
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    reasoned = {line.split("`")[1] for line in page.splitlines() if line.startswith("- `authz.")}
    for name in total.unclear:
        print(f"mutants: {name} ended with neither a failed test nor success: run it alone", file=sys.stderr)
    new = [name for name in total.survived if name not in reasoned]
    for name in new:
        print(
            f"mutants: {name} survived: write a test that fails with it, or give the reason in {PAGE}", file=sys.stderr
        )
    return 1 if new or total.unclear else 0


if __name__ == "__main__":
    sys.exit(main())
