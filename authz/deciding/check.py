"""Answers Envoy's question: CheckRequest bytes in, CheckResponse bytes out. No network, no exception."""

import contextlib
from collections.abc import Callable
from time import perf_counter
from typing import Final

from authz.deciding.correlation import NO_IDS, correlate
from authz.deciding.decision import Denied
from authz.deciding.judge import Judge, Judgement
from authz.deciding.observation import Observation
from authz.deciding.reasons import Reason
from authz.deciding.request import UnreadableRequestError, to_request
from authz.deciding.response import to_response
from authz.model import Request

_FAILURE: Final = Denied(Reason.INTERNAL_ERROR)
_FAILURE_BYTES: Final = to_response(_FAILURE, None, {})


def observed_by_nobody(_observation: Observation) -> None:
    """Do nothing with an observation."""


class Check:
    """Answers every request by the current judge: assign `judge` to swap the policy.

    `clock` gives seconds since the epoch; `report` gets the exceptions that are bugs of ours; `observe` gets every
    answer, once it is written.
    """

    def __init__(
        self,
        judge: Judge,
        clock: Callable[[], float],
        report: Callable[[Exception], None],
        observe: Callable[[Observation], None] = observed_by_nobody,
    ) -> None:
        self.judge = judge
        self._clock = clock
        self._report = report
        self._observe = observe

    def __call__(self, message: bytes) -> bytes:
        """Return the serialised answer; whatever goes wrong inside is a deny."""
        started = perf_counter()
        judge = self.judge
        request = now = None
        try:
            now = self._clock()
            request = to_request(message)
            judgement = judge.judge(request, now)
            answer = to_response(judgement.decision, judgement.ids.request_id, request.headers)
            self._observe(Observation(request, judgement, now, perf_counter() - started, judge.revision))
        except UnreadableRequestError:
            pass
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a missing answer could allow; a panic in Rust is no Exception
            self._report_bug(error)
        else:
            return answer
        self._observe_failure(request, now, started)
        return _FAILURE_BYTES

    def _report_bug(self, error: BaseException) -> None:
        """Report a bug; if even that fails, the answer is the same."""
        bug = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        with contextlib.suppress(Exception):
            self._report(bug)

    def _observe_failure(self, request: Request | None, now: float | None, started: float) -> None:
        """Hand on an answer that is a failure; if even that fails, the answer is the same."""
        try:
            ids = NO_IDS if request is None else correlate(request.headers)
            seconds = perf_counter() - started
            self._observe(Observation(request, Judgement(_FAILURE, ids), now, seconds, self.judge.revision))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001, S110  it was reported, or it is what was reported
            pass
