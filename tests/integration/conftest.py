"""The folder in which a service runs, and signals as a terminal's programs get them."""

import shutil
import signal
from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupt() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and what it starts would inherit that.

    Once for all tests: a running `make up` ends when the process above it stops to catch the signal.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)
