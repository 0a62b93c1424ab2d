"""The decision log: a line for each answer, enough to decide the request anew, and never its token."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from authz.correlation import request_id
from authz.decision import Allowed
from authz.decision_line import extract, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.model import Request
    from authz.observation import Observation

__all__ = ["DecisionLog"]

MILLION: Final = 1_000_000
_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}")


class DecisionLog:
    """Logs denials always, and of allows the part `allow_sample` (0.0 to 1.0), chosen by the request's id.

    `put` takes what renders a line and calls it later (`Lines.put`).
    """

    def __init__(self, put: Callable[[Callable[[], str]], None], allow_sample: float, worker: int) -> None:
        self._put = put
        self._sampled_of_a_million = round(allow_sample * MILLION)
        self._worker = worker
        self._owed = 0

    def observe(self, observation: Observation) -> None:
        """Have an answer logged, unless it is an allow that the sample leaves out."""
        if isinstance(observation.judgement.decision, Allowed) and not self._is_sampled(observation.request):
            return
        entry, worker = extract(observation), self._worker
        self._put(lambda: render(entry, worker))

    def _is_sampled(self, request: Request | None) -> bool:
        """Choose as Envoy's runtime_filter does with a denominator of MILLION: the id's first 8 digits decide."""
        part = self._sampled_of_a_million
        if not 0 < part < MILLION:
            return part > 0
        named = None if request is None else request_id(request.headers)
        if named is None:
            self._owed += part
            due, self._owed = divmod(self._owed, MILLION)
            return due > 0
        number = int(named[:8], 16) if _HEX.match(named) else zlib.crc32(named.encode())
        return number % MILLION < part
