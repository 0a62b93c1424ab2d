"""A mistake in a table or in the policy is told once, and then no test runs: each would say it again, at length."""

from __future__ import annotations

import pytest

from tests.support.cases import entitlement, tables  # noqa: F401  so that every table has been read
from tests.support.cases.problems import told


def pytest_collection_modifyitems() -> None:
    sentences = told()
    if sentences:
        raise pytest.UsageError(*sentences)
