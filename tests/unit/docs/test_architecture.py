"""The architecture page agrees with the code: its tree with the files, its import rules with the contracts."""

import re
import tomllib
from typing import Final

import pytest

from tests.support.repository import ROOT

PAGE: Final = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRACTS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
ENTRY: Final = re.compile(r"(?P<indent> *)(?P<name>\w+/)(?: +\S.*)?")
NAMED: Final = sorted(set(re.findall(r"`((?:authz|dev|docs|envoy|tests|protos|deploy|benchmarks)/[\w./-]*)`", PAGE)))


def tree() -> dict[str, set[str]]:
    """Return the modules that the page's tree shows, by folder."""
    block = PAGE.partition("## The tree")[2].split("```")[1].strip("\n")
    folders: dict[str, set[str]] = {}
    above: list[tuple[int, str]] = []
    for line in block.splitlines():
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        entry = ENTRY.fullmatch(line)
        if entry is None:
            folders[above[-1][1]].update(line.partition("  #")[0].split())
        else:
            folder = (above[-1][1] if above else "") + entry["name"]
            folders[folder] = set()
            above.append((indent, folder))
    return folders


def code() -> dict[str, set[str]]:
    """Return the modules that there are, by folder; generated ones are one folder without names."""
    folders: dict[str, set[str]] = {}
    for file in (ROOT / "authz").rglob("*.py"):
        names = folders.setdefault(file.parent.relative_to(ROOT).as_posix() + "/", set())
        if file.stem != "__init__" and not file.stem.endswith("_pb2"):
            names.add(file.stem)
    return folders


def test_the_tree_is_the_file_list() -> None:
    assert tree() == code()


def test_nothing_lies_outside_a_package_but_the_model() -> None:
    assert code()["authz/"] == {"__main__", "model"}


def test_the_rows_of_the_page_are_the_layers() -> None:
    rows = re.findall(r"^\| [0-9] \| (.+?) \|", PAGE, re.MULTILINE)
    assert [row.replace("`", "").replace(", ", " | ") for row in rows] == CONTRACTS[0]["layers"]


def test_the_bans_of_the_page_are_the_other_contracts() -> None:
    section = PAGE.partition("### Bans")[2]
    assert re.findall(r"^- (.+)$", section, re.MULTILINE) == [contract["name"] for contract in CONTRACTS[1:]]


@pytest.mark.parametrize("place", NAMED)
def test_what_the_page_names_exists(place: str) -> None:
    assert (ROOT / place).exists()
