"""Rates and shares: how they are written, compared and divided."""

from fractions import Fraction

import pytest

from authz.limits.rates import Rate, Unit, parse_rate, parse_share, percent


@pytest.mark.parametrize(
    ("text", "rate", "seconds"),
    [
        ("5/second", Rate(5, Unit.SECOND), 1),
        ("60/minute", Rate(60, Unit.MINUTE), 60),
        ("1/hour", Rate(1, Unit.HOUR), 3_600),
        ("4294967295/day", Rate(2**32 - 1, Unit.DAY), 86_400),
    ],
)
def test_a_rate_is_a_number_and_a_window(text: str, rate: Rate, seconds: int) -> None:
    assert parse_rate(text) == rate
    assert rate.unit.seconds == seconds
    assert str(rate) == text


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("60", "a number and a window"),
        (60, "a number and a window"),
        ("sixty/minute", "a number and a window"),
        ("1.5/minute", "a number and a window"),
        ("٣/minute", "a number and a window"),
        ("5/Minute", "a number and a window"),
        ("5/week", "end in one of /second, /minute, /hour, /day"),
        ("5/minutes", "end in one of"),
        ("0/minute", "at least 1 request"),
        ("00/minute", "at least 1 request"),
        ("-5/minute", "at least 1 request"),
        ("4294967296/day", "at most 4294967295"),
        ("9" * 5_000 + "/day", "at most 4294967295"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(value: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_rate(value)


def test_rates_of_different_windows_are_compared_by_the_second() -> None:
    assert parse_rate("60/minute").per_second == parse_rate("1/second").per_second == 1
    assert parse_rate("1/minute").per_second > parse_rate("59/hour").per_second


@pytest.mark.parametrize(
    ("share", "capacity", "requests"),
    [
        ("10%", "1000/minute", 100),
        ("15%", "1000/minute", 150),
        ("12.5%", "1000/minute", 125),
        ("33.33%", "10/minute", 3),
        ("29%", "100/minute", 29),  # 0.29 * 100 is 28.999... in floating point
        ("10%", "9/minute", 0),
        ("100%", "4294967295/day", 2**32 - 1),
    ],
)
def test_a_share_of_a_rate_is_rounded_down(share: str, capacity: str, requests: int) -> None:
    assert parse_rate(capacity).part(parse_share(share)) == requests


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("10", "a percentage"),
        (0.1, "a percentage"),
        ("a%", "a percentage"),
        ("1.234%", "a percentage"),
        ("0%", "more than 0%"),
        ("0.00%", "more than 0%"),
        ("-5%", "more than 0%"),
        ("100.01%", "at most 100%"),
        ("999999%", "at most 100%"),
    ],
)
def test_any_other_share_is_refused_with_what_to_write(value: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_share(value)


def test_a_share_is_shown_as_people_write_it() -> None:
    assert [percent(Fraction(part, 1000)) for part in (1000, 100, 125, 1)] == ["100 %", "10 %", "12.5 %", "0.1 %"]
