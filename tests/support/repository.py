"""Paths of this repository."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGED_POLICY: Final = ROOT / "authz" / "data"
TESTS: Final = ROOT / "tests"
UPSTREAM: Final = TESTS / "upstream"
CASES: Final = TESTS / "cases"
