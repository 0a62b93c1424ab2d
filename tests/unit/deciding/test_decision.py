"""The values of a decision: what a client reads for each reason."""

import pytest

from authz.deciding.decision import Allowed, Denied, Identity
from authz.deciding.reasons import ANSWERS, Reason
from tests.support.examples import CLAIMS


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in {Reason.ALLOWED, Reason.PUBLIC}])
def test_every_refusal_has_an_answer_that_lets_nothing_pass(reason: Reason) -> None:
    answer = Denied(reason, "named").answer
    assert answer.status >= 400
    assert answer.code.value > 0
    assert "{" not in Denied(reason, "named").message


def test_what_lets_pass_has_no_answer() -> None:
    assert set(Reason) - set(ANSWERS) == {Reason.ALLOWED, Reason.PUBLIC}


def test_a_name_in_braces_is_not_filled_in_again() -> None:
    assert Denied(Reason.MISSING_HEADER, "{0.__class__}").message == "Missing {0.__class__} header"


def test_the_reason_of_a_pass_says_whether_somebody_was_identified() -> None:
    identity = Identity("read", "first", "small", "instance-1", "unknown", CLAIMS)
    assert Allowed("alpha", identity).reason is Reason.ALLOWED
    assert Allowed("alpha", None).reason is Reason.PUBLIC
