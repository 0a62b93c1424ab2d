"""A worker loads neither schemas nor a YAML reader: policies come to it as values."""

import subprocess
import sys

LOADED = "import sys, {module}; print(*sys.modules, sep='\\n')"
POLICY_READERS = {"yaml", "pydantic", "pydantic_core", "click"}


def loaded_by(module: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_worker_needs_no_schema_no_yaml_and_no_command_line() -> None:
    assert not loaded_by("authz.serving.worker") & POLICY_READERS
    assert not loaded_by("authz.serving.supervision.process") & POLICY_READERS


def test_the_supervisor_reads_policies() -> None:
    """The test above can fail."""
    assert {"yaml", "pydantic"} <= loaded_by("authz.serving.reload.snapshot")
