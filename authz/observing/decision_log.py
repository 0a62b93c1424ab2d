"""The decision log: a line for each answer, enough to decide the request anew, and never its token."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom
from typing import Final

from authz.deciding.decision import Allowed
from authz.deciding.observation import Observation
from authz.observing.decision_line import extract, render

_LOTS: Final = SystemRandom()


class DecisionLog:
    """Logs denials always, and of allows the part `allow_sample` (0.0 to 1.0), each by a lot of its own.

    `put` takes what renders a line and calls it later (`Lines.put`). `draw` returns lots, from 0.0 to below 1.0:
    nothing of the request goes into them, not even its id, which its client chooses and may use again and again.
    """

    def __init__(
        self,
        put: Callable[[Callable[[], str]], None],
        allow_sample: float,
        worker: int,
        draw: Callable[[], float] = _LOTS.random,
    ) -> None:
        self._put = put
        self._allow_sample = allow_sample
        self._worker = worker
        self._draw = draw

    def observe(self, observation: Observation) -> None:
        """Have an answer logged, unless it is an allow that the sample leaves out."""
        if isinstance(observation.judgement.decision, Allowed) and not self._is_sampled():
            return
        entry, worker = extract(observation), self._worker
        self._put(lambda: render(entry, worker))

    def _is_sampled(self) -> bool:
        part = self._allow_sample
        return part > 0.0 and (part >= 1.0 or self._draw() < part)
