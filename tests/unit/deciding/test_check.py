"""The heart: whatever bytes come, an answer goes, and nothing that is not understood is let in."""

from dataclasses import replace
from typing import Any, NoReturn, cast

import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.check import Check
from authz.deciding.decision import Denied
from authz.deciding.observation import Observation
from authz.deciding.reasons import Reason
from authz.policy.load import Policy
from tests.support.minting import NOW, Minter, request
from tests.support.shipped import check_by


class Broken:
    """A judge with a bug in it."""

    revision = "broken"

    def judge(self, *_: object) -> NoReturn:
        raise KeyError("what a client said")


def test_the_clock_is_asked_for_each_request(policy: Policy) -> None:
    now = [float(NOW)]
    check = Check(policy.judge, lambda: now[0], lambda error: pytest.fail(repr(error)))
    message = request(token=Minter().token())
    assert CheckResponse.FromString(check(message)).status.code == 0
    now[0] += 4 * 86_400
    assert CheckResponse.FromString(check(message)).status.code == 16


def test_another_policy_takes_over_between_two_requests(policy: Policy) -> None:
    check = check_by(policy.judge)
    message = request("/ai/monitoring/healthz", method="GET", label=None)
    assert CheckResponse.FromString(check(message)).dynamic_metadata["reason"] == Reason.BACKEND_DISAGREEMENT
    check.judge = replace(policy.judge, allow_unlabelled_routes=True)
    assert CheckResponse.FromString(check(message)).dynamic_metadata["reason"] == Reason.PUBLIC


@pytest.mark.parametrize("message", [b"\xff", b"\x0a", bytes(range(256))], ids=repr)
def test_bytes_that_are_no_request_are_refused_and_no_bug(policy: Policy, message: bytes) -> None:
    check = check_by(policy.judge)
    assert CheckResponse.FromString(check(message)).denied_response.status.code == 503


def test_a_bug_is_a_deny_and_is_reported() -> None:
    heard: list[Exception] = []
    check = Check(cast("Any", Broken()), lambda: float(NOW), heard.append)
    response = CheckResponse.FromString(check(request()))
    assert (response.status.code, response.denied_response.status.code) == (14, 503)
    assert "what a client said" not in str(response)
    assert [type(error) for error in heard] == [KeyError]


def test_a_clock_that_fails_is_a_deny() -> None:
    heard: list[Exception] = []

    def stopped() -> NoReturn:
        raise OSError("no clock")

    check = Check(cast("Any", Broken()), stopped, heard.append)
    assert CheckResponse.FromString(check(request())).status.code == 14
    assert len(heard) == 1


def test_every_decision_is_told_with_what_the_client_never_learns(policy: Policy) -> None:
    told: list[Observation] = []
    check = check_by(policy.judge, told.append)
    for token in (Minter().token(), Minter().token(claims={"exp": NOW}), None):
        check(request(token=token))
    check(request("/ai/monitoring/healthz", method="GET"))
    check(request("/nowhere"))
    check(b"\xff")
    reasons = [seen.judgement.decision.reason for seen in told]
    assert reasons == ["allowed", "invalid_token", "missing_authorization", "public", "no_rule", "internal_error"]
    assert {(seen.at, seen.revision) for seen in told} == {(float(NOW), policy.revision)}
    assert all(seen.seconds > 0 for seen in told)
    tiers = [seen.judgement.caller and seen.judgement.caller.tier for seen in told]
    assert tiers == ["small", "small", None, None, None, None]
    kids = [
        seen.judgement.token and seen.judgement.token.signer and seen.judgement.token.signer.key.kid for seen in told
    ]
    assert kids[0] == kids[1] is not None
    assert told[-1].request is None


def test_what_cannot_be_told_is_a_deny(policy: Policy) -> None:
    def full_disk(_decision: object) -> None:
        raise OSError

    errors: list[Exception] = []
    check = Check(policy.judge, lambda: float(NOW), errors.append, full_disk)
    assert CheckResponse.FromString(check(request(token=Minter().token()))).status.code == 14
    assert [type(error) for error in errors] == [OSError]


def test_a_bug_is_told_with_the_request_that_met_it() -> None:
    told: list[Observation] = []
    Check(cast("Any", Broken()), lambda: float(NOW), lambda _: None, told.append)(request("/a/b"))
    ((seen),) = told
    assert seen.request is not None
    assert (seen.request.target, seen.judgement.decision, seen.at) == ("/a/b", Denied(Reason.INTERNAL_ERROR), NOW)


def test_a_failed_clock_is_told_without_a_time(policy: Policy) -> None:
    def stopped() -> NoReturn:
        raise OSError

    told: list[Observation] = []
    Check(policy.judge, stopped, lambda _: None, told.append)(request())
    assert [(seen.request, seen.at) for seen in told] == [(None, None)]


@pytest.mark.parametrize("wish", [KeyboardInterrupt, SystemExit])
def test_whoever_is_told_may_end_the_process(policy: Policy, wish: type[BaseException]) -> None:
    def ended(_: object) -> NoReturn:
        raise wish

    check = Check(policy.judge, lambda: float(NOW), lambda _: None, ended)
    for message in (request(), b"\xff"):
        with pytest.raises(wish):
            check(message)


class Panic(BaseException):
    """What a library in another language raises when it breaks: no Exception."""


@pytest.mark.parametrize("failure", [Panic, RecursionError, MemoryError])
def test_whatever_breaks_inside_is_a_deny_even_if_nobody_can_hear_of_it(policy: Policy, failure: type) -> None:
    """2026-11-22: a panic, or a report that failed, left the handler as a raised RPC error."""

    def broken() -> NoReturn:
        raise failure

    def deaf(_error: Exception) -> NoReturn:
        raise OSError

    answer = CheckResponse.FromString(Check(policy.judge, broken, deaf)(request(token=Minter().token())))
    assert (answer.status.code, answer.denied_response.status.code) == (14, 503)
