"""Rates and shares: how much of something fits into which window, as it is written in `limits.yaml`."""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

MAX_REQUESTS: Final = 2**32 - 1
"""Both engines count in 32 bits."""

RATE_PATTERN: Final = r"^[0-9]{1,10}/(second|minute|hour|day)$"
SHARE_PATTERN: Final = r"^[0-9]{1,3}(\.[0-9]{1,2})?%$"
_RATE: Final = re.compile(r"(-?[0-9]+)/([a-z]+)", re.ASCII)
_SHARE: Final = re.compile(r"(-?[0-9]{1,6})(\.[0-9]{1,2})?%", re.ASCII)


class Unit(StrEnum):
    """The windows that both engines know."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """The window's length."""
        return _SECONDS[self]


_SECONDS: Final = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3_600, Unit.DAY: 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in each window; always at least one."""

    requests: int
    unit: Unit

    @property
    def per_second(self) -> Fraction:
        """What rates of different windows are compared by."""
        return Fraction(self.requests, self.unit.seconds)

    def part(self, share: Fraction) -> int:
        """Return how many whole requests a share of this rate is, in the same window; this may be none."""
        return int(self.requests * share)

    def __str__(self) -> str:
        return f"{self.requests}/{self.unit.value}"


def parse_rate(value: object) -> Rate:
    """Return the rate of a text such as `60/minute`. Raises ValueError with what to write instead."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("should be a number and a window, such as 5/second, 60/minute, 3600/hour or 10000/day")
    digits, unit = found.groups()
    if unit not in _UNITS:
        raise ValueError(f"should end in one of {', '.join(f'/{each}' for each in _UNITS)}")
    if digits.startswith("-") or not digits.strip("0"):
        raise ValueError("should allow at least 1 request: to refuse a caller, use rules or revocations")
    if len(digits) > len(str(MAX_REQUESTS)) or int(digits) > MAX_REQUESTS:
        raise ValueError(f"should allow at most {MAX_REQUESTS} requests, which is what the engines can count to")
    return Rate(int(digits), Unit(unit))


_UNITS: Final = tuple(unit.value for unit in Unit)


def parse_share(value: object) -> Fraction:
    """Return the share of a text such as `12.5%`, more than 0 and at most 1. Raises ValueError."""
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("should be a percentage, such as 15% or 12.5%")
    share = Fraction(f"{found[1]}{found[2] or ''}") / 100
    if not 0 < share <= 1:
        raise ValueError("should be more than 0% and at most 100%")
    return share


def percent(share: Fraction) -> str:
    """Return a share as people write it."""
    return f"{float(share * 100):.2f}".rstrip("0").rstrip(".") + " %"
