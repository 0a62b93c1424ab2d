"""What is repeated to name a request: only what looks as it should."""

import re
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authz.deciding.correlation import NO_IDS, Ids, correlate

SLOW_TWIN: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=70) | st.from_regex(SLOW_TWIN) | st.text("abcZ09-_ \n\u00e9\u0661", max_size=70))
@example("")
@example("-" * 64)
@example("a" * 65)
@example("a\n")
def test_a_request_id_is_what_the_pattern_says(named: str) -> None:
    assert correlate({"x-request-id": named}).request_id == (named if SLOW_TWIN.fullmatch(named) else None)


def test_a_request_may_have_none() -> None:
    assert correlate({}) == NO_IDS


@pytest.mark.parametrize(
    ("parent", "named", "is_recorded"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE, True),
        (f"00-{TRACE}-00f067aa0ba902b7-00", TRACE, False),
        (f"00-{TRACE}-00f067aa0ba902b7-02", TRACE, False),
        (f"00-{TRACE}-00f067aa0ba902b7-03", TRACE, True),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-00", None, True),
        (f"00-{TRACE}-00f067aa0ba902b7-00\n", None, True),
        ("anything", None, True),
        ("", None, True),
        (None, None, True),
    ],
)
def test_a_trace_is_that_of_the_request(parent: str | None, named: str | None, is_recorded: bool) -> None:
    headers = {} if parent is None else {"traceparent": parent}
    assert correlate(headers) == Ids(None, named, is_recorded)
