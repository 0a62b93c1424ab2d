"""Options that several commands share, and how options are made: from a parser, with a variable, in groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from authz.documents.durations import seconds

C = TypeVar("C", bound="Callable[..., Any]")  # Any: commands take what their options make

PACKAGED_POLICY: Final = Path(__file__).parent.parent / "data"


class Parsed(click.ParamType[Any]):  # Any: what the parser makes of a text
    """A parameter that a function reads from text; a variable may list several, separated by commas.

    What the function raises as ValueError is the problem with the text, after `prefix`.
    """

    envvar_list_splitter = ","

    def __init__(self, name: str, parse: Callable[[str], Any], prefix: str = "'{}' ") -> None:
        self.name = name
        self._parse = parse
        self._prefix = prefix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{self._prefix.format(value)}{error}", param, ctx)


def all_of(*options: Callable[[C], C]) -> Callable[[C], C]:
    """Return a decorator that adds several options, which help then lists in this order."""

    def add(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def setting(flag: str, **how: Any) -> Callable[[C], C]:  # Any: as click has it
    """Return an option that a variable of the same name sets too; its help shows both."""
    variable = "AUTHZ_" + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, envvar=variable, show_envvar=True, **{"show_default": True, **how})


DURATION: Final = Parsed("duration", seconds)
POLICY: Final = setting(
    "--policy",
    type=click.Path(path_type=Path),
    default=PACKAGED_POLICY,
    show_default="the packaged policy",
    help="Policy directory: catalog/, issuers.yml, rules/, tiers.yml.",
)
KEYS: Final = setting(
    "--keys",
    type=click.Path(path_type=Path),
    default=PACKAGED_POLICY / "keys",
    show_default="the packaged keys, none",
    help="Keys directory: one <issuer name>.jwks.json for each issuer.",
)
ENVIRONMENT: Final = setting(
    "--environment",
    default="production",
    help="Load the issuers of this environment only.",
)
