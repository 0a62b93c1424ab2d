"""An observation: one answer, and all that logs, metrics and traces may tell of it."""

from __future__ import annotations

from typing import NamedTuple

from authz.deciding.judge import Judgement
from authz.model import Request


class Observation(NamedTuple):
    """One answer that was given.

    `request` is None if its bytes could not be read; `at` (seconds since the epoch) is None if the clock failed;
    `seconds` is what the answer took; `revision` names the policy that decided. It holds the request with its token, so
    it's for the moment alone: whoever keeps something keeps a copy of what may be kept. A tuple is made in half the
    time of a frozen dataclass (benchmarks/observe.py).
    """

    request: Request | None
    judgement: Judgement
    at: float | None
    seconds: float
    revision: str
