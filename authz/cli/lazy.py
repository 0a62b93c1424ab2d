"""Groups of commands that import a command only to run it, so that their help loads nothing else."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group made from a table: each command's name, where it is (`module:attribute`), and its short help."""

    def __init__(
        self, name: str | None = None, *, table: Mapping[str, tuple[str, str]], **attributes: Any
    ) -> None:  # Any: click's own
        # Help, completion and "did you mean" need names and texts alone.
        listed = {command: click.Command(command, help=text) for command, (_, text) in table.items()}
        super().__init__(name, commands=listed, **attributes)
        self.table = table

    def load(self, name: str) -> click.Command:
        """Import a command of the table."""
        module, _, attribute = self.table[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` names, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self.load(name), rest
