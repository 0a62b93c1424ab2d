"""Limits for tests: one small policy, one small file, and both as the reader sees them."""

from pathlib import Path
from types import MappingProxyType
from typing import Final

from authz.documents.findings import Findings
from authz.limits.model import Limits
from authz.limits.reader import read_limits
from authz.limits.vocabulary import Vocabulary
from authz.model import Tiers
from tests.support.examples import CATALOG
from tests.support.files import shown, write

VOCABULARY: Final = Vocabulary(
    CATALOG,
    Tiers("any", ((100, "large"), (1, "small"))),
    MappingProxyType({"alpha": frozenset({"read", "write"})}),
)
FILE: Final = """
backend_services:
  alpha:
    capacity: 1000/minute
    tiers:
      any: {share: 10%, instance: 40/minute, user: 4/minute}
      small: {share: 30%, instance: 50/minute, user: 5/minute}
      large: {share: 60%, instance: 60/minute, user: 6/minute}
addresses:
  attempts: 100/second
  failed_authentications: 20/minute
  refusals: 30/hour
embedded: {expected_callers: {addresses: 1, users: 20, instances: 3}}
shared: {service: "limits.example:8081", timeout: 50ms, on_failure: allow}
"""


def _read(folder: Path, text: str, *edits: tuple[str, str]) -> tuple[Limits | None, Findings]:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    findings = Findings()
    return read_limits(write(folder / "limits.yaml", text.removeprefix("\n")), VOCABULARY, findings), findings


def limits(folder: Path, *edits: tuple[str, str]) -> Limits:
    """Return the limits of the file with texts replaced; nothing is wrong with them."""
    found, findings = _read(folder, FILE, *edits)
    assert found is not None
    assert shown(findings.problems) == []
    return found


def problems(folder: Path, *edits: tuple[str, str]) -> list[str]:
    """Return what is wrong with the file with texts replaced."""
    return shown(sorted(_read(folder, FILE, *edits)[1].problems))


def warnings(folder: Path, *edits: tuple[str, str]) -> list[str]:
    """Return what is odd about the file with texts replaced; nothing is wrong with it."""
    _, findings = _read(folder, FILE, *edits)
    assert shown(findings.problems) == []
    return shown(sorted(findings.warnings))
