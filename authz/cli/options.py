"""Options that several commands share, each with an environment variable of the same name."""

from pathlib import Path
from typing import Final

import click

from authz.documents.durations import seconds

PACKAGED_POLICY: Final = Path(__file__).parent.parent / "data"


def variable(flag: str) -> str:
    """Return the environment variable of a flag: `--log-level` is AUTHZ_LOG_LEVEL."""
    return "AUTHZ_" + flag.removeprefix("--").replace("-", "_").upper()


class _Duration(click.ParamType[float]):
    """A number and a unit, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return seconds(value)
        except ValueError as error:
            self.fail(f"'{value}' {error}", param, ctx)


DURATION: Final = _Duration()
POLICY: Final = click.option(
    "--policy",
    envvar=variable("--policy"),
    type=click.Path(path_type=Path),
    default=PACKAGED_POLICY,
    show_default="the packaged policy",
    show_envvar=True,
    help="Policy directory: catalog/, issuers.yml, rules/, tiers.yml.",
)
KEYS: Final = click.option(
    "--keys",
    envvar=variable("--keys"),
    type=click.Path(path_type=Path),
    default=PACKAGED_POLICY / "keys",
    show_default="the packaged keys, none",
    show_envvar=True,
    help="Keys directory: one <issuer name>.jwks.json for each issuer.",
)
ENVIRONMENT: Final = click.option(
    "--environment",
    envvar=variable("--environment"),
    default="production",
    show_default=True,
    show_envvar=True,
    help="Load the issuers of this environment only.",
)
