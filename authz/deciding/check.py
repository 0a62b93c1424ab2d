"""The heart: CheckRequest bytes in, CheckResponse bytes out, bound to the current policy. No network, no exception."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import perf_counter
from typing import Final

from authz.deciding.decision import Decision, Denied
from authz.deciding.judgement import Judgement
from authz.deciding.observation import Observation
from authz.deciding.reasons import Reason
from authz.deciding.wire import UnreadableRequestError, to_request, to_response
from authz.model import Request
from authz.policy.load import Policy

_FAILURE: Final = Denied(Reason.INTERNAL_ERROR)
_FAILURE_BYTES: Final = to_response(_FAILURE, {})


def untold(_observation: Observation) -> None:
    """Tell nobody."""


class Check:
    """Answers Envoy's question for every request.

    `clock` gives seconds since the epoch; `report` hears of our bugs; `tell` hears of every answer, once it is written.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], float],
        report: Callable[[Exception], None],
        tell: Callable[[Observation], None] = untold,
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._report = report
        self._tell = tell

    def __call__(self, message: bytes) -> bytes:
        """Return the serialised answer; whatever goes wrong inside is a deny."""
        started = perf_counter()
        policy = self.policy
        request = now = None
        try:
            now = self._clock()
            request = to_request(message)
            judgement = policy.judge(request, now)
            answer = to_response(judgement.decision, request.headers)
            self._tell(Observation(request, judgement, now, perf_counter() - started, policy.revision))
        except UnreadableRequestError:
            pass
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a missing answer could let pass; a panic in Rust is no Exception
            self._fail(error)
        else:
            return answer
        self._tell_of_failure(request, now, started)
        return _FAILURE_BYTES

    def decide(self, message: bytes) -> Decision:
        """Return the decision itself, for those who explain, replay or test it."""
        try:
            return self.policy.authorize(to_request(message), self._clock())
        except UnreadableRequestError:
            return _FAILURE
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)
            return _FAILURE

    def _fail(self, error: BaseException) -> None:
        """Report a bug; that it cannot be reported changes no answer."""
        bug = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        with contextlib.suppress(Exception):
            self._report(bug)

    def _tell_of_failure(self, request: Request | None, now: float | None, started: float) -> None:
        """Tell of an answer that is a failure; that it cannot be told changes nothing."""
        try:
            seconds = perf_counter() - started
            self._tell(Observation(request, Judgement(_FAILURE), now, seconds, self.policy.revision))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001, S110  it was reported, or it is what was reported
            pass
