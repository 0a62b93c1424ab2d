"""Reads the shipped tiers without the service's reader, to know the tier of a number of seats."""

from typing import Any, Final

import yaml

from tests.support.repository import PACKAGED_POLICY

FILE: Final = PACKAGED_POLICY / "tiers.yml"


def _read() -> tuple[str, dict[str, int]]:
    """Return the default and the seats of the other tiers; nothing if the file is invalid."""
    try:
        document: Any = yaml.safe_load(FILE.read_text())
        return str(document["default"]), {entry["name"]: int(entry["min_seats"]) for entry in document["tiers"]}
    except (yaml.YAMLError, LookupError, TypeError, ValueError):
        return "", {}


DEFAULT, SEATS = _read()
NAMES: Final = frozenset({DEFAULT, *SEATS})


def tier_of(seats: int) -> str:
    """Return the tier of that many seats."""
    reached = [(least, name) for name, least in SEATS.items() if least <= seats]
    return max(reached)[1] if reached else DEFAULT
