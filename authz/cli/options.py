"""Options that several commands share, with the environment variable of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["ENVIRONMENT", "KEYS", "PACKAGED_POLICY", "POLICY", "variable"]

PACKAGED_POLICY: Final = Path(__file__).parent.parent / "data"


def variable(flag: str) -> str:
    """Return the environment variable of a flag: `--log-level` is AUTHZ_LOG_LEVEL."""
    return "AUTHZ_" + flag.removeprefix("--").replace("-", "_").upper()


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
