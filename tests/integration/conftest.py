"""The folder in which a service runs."""

import shutil
from pathlib import Path

import pytest

from tests.support.cases.case_file import POLICY
from tests.support.minting import write_keys


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `policy/` and `keys/`, and `run/` and `tmp/` to write to; its path is short enough for sockets."""
    made = tmp_path_factory.mktemp("s")
    shutil.copytree(POLICY, made / "policy", ignore=shutil.ignore_patterns("schema", "keys"))
    write_keys(made / "keys")
    (made / "run").mkdir()
    (made / "tmp").mkdir()
    return made
