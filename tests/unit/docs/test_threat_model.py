"""The page about threats names checks and tests that exist: a name that is gone would vouch for nothing."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.cases.tables import CASES
from tests.support.repository import ROOT

PAGE: Final = ROOT / "docs" / "threat-model.md"
TESTS: Final = ("cases", "e2e", "integration", "observability", "properties", "shared", "unit")
NAMED: Final = re.compile(r"`([a-z][\w./-]*\.(?:py|yaml))(?:::([^`]+))?`")
ROW: Final = re.compile(r"^\| (?!---)", re.MULTILINE)
EVERY: Final = sorted({(file, name) for file, name in NAMED.findall(PAGE.read_text("utf-8"))})


def place(file: str) -> Path:
    """Tests are named from `tests/`, everything else from the root."""
    return ROOT / "tests" / file if file.partition("/")[0] in TESTS else ROOT / file


@cache
def defined(file: Path) -> frozenset[str]:
    """The functions, classes and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return frozenset(names)


def exists(file: str, name: str) -> bool:
    """Whether there is such a file, and such a name in it, row of it, or key."""
    where = place(file)
    if not where.is_file() or not name:
        return where.is_file()
    if where.suffix == ".py":
        return name in defined(where)
    if file.startswith("cases/"):
        return f"{where.stem}: {name}" in {case.name for case in CASES}
    return re.search(rf"^[ -]*{re.escape(name)}:", where.read_text("utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize(("file", "name"), EVERY, ids=["::".join(each) for each in EVERY])
def test_what_the_page_names_exists(file: str, name: str) -> None:
    assert exists(file, name)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("unit/test_gone.py", ""),
        ("authz/gone.py", "anything"),
        ("unit/tokens/test_cache.py", "test_gone"),
        ("authz/tokens/cache.py", "Gone"),
        ("cases/chains.yaml", "gone"),
        ("envoy/envoy.yaml", "gone"),
    ],
)
def test_what_is_gone_would_be_told(file: str, name: str) -> None:
    assert not exists(file, name)


def test_every_threat_is_stopped_by_something_and_shown_by_a_test() -> None:
    threats, _, _ = PAGE.read_text("utf-8").partition("## What remains")
    rows = [line.split(" | ") for line in threats.splitlines() if ROW.match(line) and "is stopped by" not in line]
    assert rows
    for someone, _, shown in rows:
        tests = [(file, name) for file, name in NAMED.findall(shown) if file.partition("/")[0] in TESTS]
        assert tests, someone
        assert all(file.endswith(".yaml") or name.startswith("test_") for file, name in tests), someone
