"""File handles: as many as the system grants, and a refusal if that is not enough."""

from resource import RLIM_INFINITY

import pytest

from authz.serving.file_handles import WANTED, TooFewHandlesError, soft_limit


@pytest.mark.parametrize(
    ("soft", "hard", "limit"),
    [
        pytest.param(1024, 4096, 4096, id="up to the hard limit"),
        pytest.param(1024, 1_000_000, WANTED, id="not without bound"),
        pytest.param(1024, RLIM_INFINITY, WANTED, id="nor where the system knows none"),
        pytest.param(100_000, 200_000, 100_000, id="never down"),
        pytest.param(RLIM_INFINITY, RLIM_INFINITY, RLIM_INFINITY, id="never down from none"),
        pytest.param(64, 160, 160, id="just enough"),
    ],
)
def test_the_soft_limit_is_raised(soft: int, hard: int, limit: int) -> None:
    assert soft_limit(soft, hard, 4) == limit


def test_the_more_workers_the_more_are_needed() -> None:
    with pytest.raises(TooFewHandlesError) as caught:
        soft_limit(160, 160, 5)
    assert str(caught.value) == "160 file handles are too few, 168 are needed: raise the limit (ulimit -Hn)"
