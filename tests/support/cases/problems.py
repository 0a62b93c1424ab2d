"""What is wrong with the tables and with the policy that they are about, in the words of its readers."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from authz.documents.findings import ConfigurationError, Findings, Problem
from authz.policy.load import load_policy
from tests.support.cases.case_file import POLICY
from tests.support.minting import write_keys

TOP: Final = POLICY.parents[1]
PROBLEMS: Final = Findings()
"""Of the tables, filled while they are imported; the run stops before its first test if there are any."""


def shown(file: Path) -> str:
    """Return a file's path as one types it at the top of the checkout."""
    return os.path.relpath(file, TOP) if file.is_relative_to(TOP) else str(file)


def told() -> list[str]:
    """Return one sentence per mistake: those of the policy, or else those of the tables."""
    return [sentence(problem) for problem in of_the_policy() or sorted(set(PROBLEMS.problems))]


@cache
def of_the_policy() -> tuple[Problem, ...]:
    """Return what is wrong with the shipped policy; whoever reads it plainly asks first."""
    with tempfile.TemporaryDirectory() as folder:
        keys = write_keys(Path(folder))
        try:
            load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)
        except ConfigurationError as error:
            return error.problems
    return ()


def sentence(problem: Problem) -> str:
    """Return a mistake with its place as one types it."""
    line = f":{problem.line}" if problem.line else ""
    return f"{shown(problem.file)}{line}: {problem.message}"
