"""File handles: as many as the system grants, a warning if that is tight, a refusal if it is not enough."""

from __future__ import annotations

from resource import RLIM_INFINITY

import pytest

from authz.serving.file_handles import COMFORTABLE, WANTED, Room, TooFewHandlesError, planned


@pytest.mark.parametrize(
    ("soft", "hard", "room"),
    [
        pytest.param(1024, 4096, 4096, id="up to the hard limit"),
        pytest.param(1024, 1_000_000, WANTED, id="not without bound"),
        pytest.param(1024, RLIM_INFINITY, WANTED, id="nor where the system knows none"),
        pytest.param(100_000, 200_000, 100_000, id="never down"),
        pytest.param(RLIM_INFINITY, RLIM_INFINITY, RLIM_INFINITY, id="never down from none"),
        pytest.param(64, COMFORTABLE, COMFORTABLE, id="just enough"),
    ],
)
def test_the_soft_limit_is_raised(soft: int, hard: int, room: int) -> None:
    assert planned(soft, hard, 4) == Room(room, None)


def test_few_are_a_warning() -> None:
    room = planned(64, COMFORTABLE - 1, 4)
    assert room == Room(1023, "1023 file handles are few: connections beyond them wait; 1024 or more would do")


def test_the_more_workers_the_more_are_needed() -> None:
    assert planned(160, 160, 4).soft == 160
    with pytest.raises(TooFewHandlesError) as caught:
        planned(160, 160, 5)
    assert str(caught.value) == "160 file handles are too few, 168 are needed: raise the limit (ulimit -Hn)"
