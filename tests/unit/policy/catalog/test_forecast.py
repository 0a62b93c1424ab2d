"""The forecast: which free access ends between two dates, and what is deprecated."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from authz.policy.catalog.forecast import deprecated, paid_by
from authz.policy.catalog.model import Catalog, UnitPrimitive
from tests.support.examples import UNIT_PRIMITIVE
from tests.support.tables import row

DATE: Final = datetime(2027, 3, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)


def catalog(*units: UnitPrimitive) -> Catalog:
    return Catalog({unit.name: unit for unit in units}, {})


@pytest.mark.parametrize(
    ("now", "until", "ends"),
    [
        row("before both", DATE - 2 * SECOND, DATE - SECOND, False),
        row("on the last second", DATE - SECOND, DATE, True),
        row("between", DATE - SECOND, DATE + SECOND, True),
        row("on the first second", DATE, DATE + SECOND, False),
        row("after both", DATE + SECOND, DATE + 2 * SECOND, False),
    ],
)
def test_free_access_ends_with_the_second_of_its_date(now: datetime, until: datetime, ends: bool) -> None:
    dated = replace(UNIT_PRIMITIVE, cut_off_date=DATE)
    assert paid_by(catalog(dated), until, now) == ((dated,) if ends else ())


def test_what_has_no_date_stays_free() -> None:
    assert paid_by(catalog(UNIT_PRIMITIVE), datetime.max.replace(tzinfo=UTC), DATE) == ()


def test_the_order_is_that_of_dates_and_then_of_names() -> None:
    late, last, early = (
        replace(UNIT_PRIMITIVE, name=name, cut_off_date=DATE + timedelta(days=days))
        for name, days in (("a", 2), ("b", 2), ("c", 1))
    )
    assert paid_by(catalog(last, late, early), DATE + timedelta(days=9), DATE) == (early, late, last)


def test_the_deprecated_come_by_name() -> None:
    first, second = (replace(UNIT_PRIMITIVE, name=name, is_deprecated=True) for name in ("a", "b"))
    assert deprecated(catalog(second, UNIT_PRIMITIVE, first)) == (first, second)
