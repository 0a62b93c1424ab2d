"""Dates as commands print them."""

from datetime import UTC, datetime

import pytest

from authz.cli.catalog.dates import day, timestamp
from tests.support.tables import row


@pytest.mark.parametrize(
    ("date", "for_people", "for_programs"),
    [
        row("midnight", datetime(2027, 3, 1, tzinfo=UTC), "2027-03-01", "2027-03-01T00:00:00Z"),
        row("noon", datetime(2027, 3, 1, 12, tzinfo=UTC), "2027-03-01 12:00:00 UTC", "2027-03-01T12:00:00Z"),
        row("a second", datetime(2027, 3, 1, 0, 0, 1, tzinfo=UTC), "2027-03-01 00:00:01 UTC", "2027-03-01T00:00:01Z"),
        row(
            "the end of time",
            datetime.max.replace(tzinfo=UTC),
            "9999-12-31 23:59:59 UTC",
            "9999-12-31T23:59:59Z",
        ),
    ],
)
def test_a_date_has_a_time_for_people_only_if_it_is_not_midnight(
    date: datetime, for_people: str, for_programs: str
) -> None:
    assert (day(date), timestamp(date)) == (for_people, for_programs)
