"""The groups of commands: their tables agree with the commands, and help imports none of them."""

import subprocess
import sys
from typing import Final

import click
import pytest
from click.testing import CliRunner

from authz.cli import main
from authz.cli.catalog import catalog
from authz.cli.lazy import LazyGroup

HEAVY: Final = {
    "cryptography",
    "grpc",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "structlog",
    "watchfiles",
    "yaml",
}
PROGRAM: Final = """
import atexit, sys
from authz.cli import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
main()
"""
GROUPS: Final = {"authz": main, "authz catalog": catalog}
CASES: Final = [(group, name) for group in GROUPS for name in GROUPS[group].commands]


def table(group: str) -> LazyGroup:
    """Return a group that has a table."""
    found = GROUPS[group]
    assert isinstance(found, LazyGroup)
    return found


def imported(*arguments: str) -> set[str]:
    """Return the packages that a command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(("group", "name"), CASES)
def test_a_commands_entry_in_the_table_is_its_own_name_and_short_help(group: str, name: str) -> None:
    command = table(group).load(name)
    assert command.name == name
    assert table(group).commands[name].get_short_help_str(1_000) == command.get_short_help_str(1_000)


@pytest.mark.parametrize("arguments", [("--help",), ("catalog", "--help"), ("--version",)], ids=" ".join)
def test_help_imports_no_command_and_nothing_heavy(arguments: tuple[str, ...]) -> None:
    packages = imported(*arguments)
    assert "click" in packages
    assert not packages & HEAVY


def test_listing_the_catalog_imports_only_what_reads_it() -> None:
    assert imported("catalog", "list") & HEAVY == {"pydantic", "yaml"}


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(main, ["catalog", "lst"])
    assert result.exit_code == 2
    assert "list" in result.stderr.splitlines()[-1]


def test_a_group_of_commands_is_listed_as_click_lists_it() -> None:
    eager = click.Group("catalog", commands={name: table("authz catalog").load(name) for name in catalog.commands})
    listed = [
        CliRunner().invoke(group, ["--help"]).stdout.partition("Commands:")[2]
        for group in (table("authz catalog"), eager)
    ]
    assert listed[0] == listed[1]
