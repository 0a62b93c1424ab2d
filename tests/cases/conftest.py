"""Reports the problems of a table or of the policy once, and then runs no test: each would fail for the same reason."""

import pytest

from tests.support.cases import entitlement, tables  # noqa: F401  so that every table has been read
from tests.support.cases.door import Door, open_doors
from tests.support.cases.problems import sentences


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Door]:
    return open_doors(tmp_path_factory.mktemp("doors"))


def pytest_collection_modifyitems() -> None:
    if found := sentences():
        raise pytest.UsageError(*found)
