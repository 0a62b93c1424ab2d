"""Rows of a test's table."""

from typing import Any

import pytest


def row(name: str, *values: object) -> Any:  # Any: pytest keeps the type of a row to itself
    """Return a row for `pytest.mark.parametrize`; the test's id is its name."""
    return pytest.param(*values, id=name)
