"""Collects the problems of the tables and of the shipped policy."""

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
"""Problems of the tables, added while they are imported; with any the run stops before its first test."""


def shown(file: Path) -> str:
    """Return a file's path relative to the top of the checkout."""
    return os.path.relpath(file, TOP) if file.is_relative_to(TOP) else str(file)


def sentences() -> list[str]:
    """Return one sentence for each problem of the policy or, without any, of the tables."""
    return [sentence(problem) for problem in policy_problems() or sorted(set(PROBLEMS.problems))]


@cache
def policy_problems() -> tuple[Problem, ...]:
    """Return the problems of the shipped policy; check them before reading its files without the service's reader."""
    with tempfile.TemporaryDirectory() as folder:
        keys = write_keys(Path(folder))
        try:
            load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)
        except ConfigurationError as error:
            return error.problems
    return ()


def sentence(problem: Problem) -> str:
    """Return a problem with its file and line."""
    line = f":{problem.line}" if problem.line else ""
    return f"{shown(problem.file)}{line}: {problem.message}"
