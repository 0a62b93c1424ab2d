"""Reports the problems of a table or of the policy once, and then runs no test: each would fail for the same reason."""

import pytest

from tests.support.cases import entitlement, tables  # noqa: F401  so that every table has been read
from tests.support.cases.problems import sentences


def pytest_collection_modifyitems() -> None:
    if found := sentences():
        raise pytest.UsageError(*found)
