"""The shipped policy, loaded once for each module that asks for it."""

import pytest

from authz.policy.load import Policy
from tests.support.shipped import load_shipped


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The shipped policy with keys and anchors for tests."""
    return load_shipped(tmp_path_factory.mktemp("shipped"))
