"""The heart: CheckRequest bytes in, CheckResponse bytes out, bound to the current policy. No network, no exception."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from authz.decision import Denied, Reason
from authz.wire import UnreadableRequestError, to_request, to_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz.decision import Decision
    from authz.policy import Policy

__all__ = ["Check"]

_NO_HEADERS: Mapping[str, str] = {}
_FAILURE = Denied(Reason.INTERNAL_ERROR)
_FAILURE_BYTES = to_response(_FAILURE, _NO_HEADERS)


class Check:
    """Answers Envoy's question for every request.

    `clock` gives seconds since the epoch; `report` hears of our bugs; `tell` hears every decision, if there is one.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], float],
        report: Callable[[Exception], None],
        tell: Callable[[Decision], None] | None = None,
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._report = report
        self._tell = tell

    def __call__(self, message: bytes) -> bytes:
        """Return the serialised answer; whatever goes wrong inside is a deny."""
        try:
            decision, headers = self._decide(message)
            if self._tell is not None:
                self._tell(decision)
            return to_response(decision, headers)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a missing answer could let pass; a panic in Rust is no Exception
            self._fail(error)
            return _FAILURE_BYTES

    def decide(self, message: bytes) -> Decision:
        """Return the decision itself, for those who explain, replay or test it."""
        try:
            return self._decide(message)[0]
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)
            return _FAILURE

    def _fail(self, error: BaseException) -> None:
        """Report a bug; that it cannot be reported changes no answer."""
        bug = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        with contextlib.suppress(Exception):
            self._report(bug)

    def _decide(self, message: bytes) -> tuple[Decision, Mapping[str, str]]:
        try:
            request = to_request(message)
        except UnreadableRequestError:
            return _FAILURE, _NO_HEADERS
        return self.policy.authorize(request, self._clock()), request.headers
