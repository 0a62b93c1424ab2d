"""The shipped policy with keys and anchors for tests, and the check that answers by it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authz.deciding.check import Check
from authz.deciding.judge import Judge
from authz.deciding.observation import Observation
from authz.policy.load import Policy, load_policy
from tests.support.cases.case_file import POLICY
from tests.support.minting import NOW, write_anchors, write_keys


def load_shipped(folder: Path) -> Policy:
    """Load the shipped policy with keys and anchors for tests, which are written to `folder`."""
    keys = write_keys(folder / "keys")
    write_anchors(keys, ["customers-dot"])
    return load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)


def check_by(judge: Judge, *observe: Callable[[Observation], None], now: float = NOW) -> Check:
    """Return the check by a judge, with a clock that stands still; a bug of its own fails the test."""
    return Check(judge, lambda: float(now), lambda error: pytest.fail(repr(error)), *observe)
