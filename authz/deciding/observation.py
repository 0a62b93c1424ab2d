"""One answer with everything that logs, metrics and traces may use of it."""

from typing import NamedTuple

from authz.deciding.judge import Judgement
from authz.model import Request


class Observation(NamedTuple):
    """One answer that was given.

    `request` is None if its bytes could not be read; `at` (seconds since the epoch) is None if the clock failed;
    `seconds` is how long the answer took; `revision` names the policy that decided. It holds the request with its
    token: an observer keeps copies of what it may keep, never the observation. A tuple is made in half the time of a
    frozen dataclass (benchmarks/observe.py).
    """

    request: Request | None
    judgement: Judgement
    at: float | None
    seconds: float
    revision: str
