"""What logs tell of header binding agrees with what decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from authz.deciding.binding import bindings, said
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deciding.decision import Denied, decide
from authz.deciding.reasons import Reason
from authz.model import Claims
from tests.support.examples import CLAIMS, RULE, USER_ISSUER, asked

USER: Final = replace(CLAIMS, issuer=USER_ISSUER, subject="user-1")
INSTANCE: Final = "x-gitlab-instance-id"
USER_ID: Final = "x-gitlab-global-user-id"
REALM: Final = "x-gitlab-realm"


@pytest.mark.parametrize(
    ("claims", "headers", "realm", "instance", "user"),
    [
        pytest.param(None, {REALM: "saas"}, "not_checked", "not_checked", "not_checked", id="nothing is proven"),
        pytest.param(CLAIMS, {}, "not_checked", "absent", "not_checked", id="an instance that is not said"),
        pytest.param(CLAIMS, {INSTANCE: ""}, "not_checked", "absent", "not_checked", id="said empty"),
        pytest.param(CLAIMS, {INSTANCE: "instance-1"}, "not_checked", "match", "not_checked", id="the subject"),
        pytest.param(CLAIMS, {INSTANCE: "other"}, "not_checked", "mismatch", "not_checked", id="another instance"),
        pytest.param(
            replace(CLAIMS, instance_id="other"),
            {INSTANCE: "other"},
            "not_checked",
            "mismatch",
            "not_checked",
            id="the claim, but not the subject",
        ),
        pytest.param(replace(CLAIMS, realm="saas"), {REALM: "saas"}, "match", "absent", "not_checked", id="a realm"),
        pytest.param(USER, {USER_ID: "user-1"}, "not_checked", "not_checked", "match", id="a user"),
        pytest.param(USER, {USER_ID: "user-2"}, "not_checked", "not_checked", "mismatch", id="another user"),
        pytest.param(
            replace(USER, subject="u" * 256),
            {USER_ID: "u" * 257},
            "not_checked",
            "not_checked",
            "mismatch",
            id="a user that goes on",
        ),
    ],
)
def test_each_header_is_told_apart(
    claims: Claims | None, headers: dict[str, str], realm: str, instance: str, user: str
) -> None:
    assert bindings(said(headers), claims) == {"realm": realm, "instance": instance, "user": user}


VALUES: Final = st.sampled_from(["", "instance-1", "user-1", "saas", "other"])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from([REALM, INSTANCE, USER_ID]), VALUES),
    st.builds(replace, st.sampled_from([CLAIMS, USER]), realm=VALUES, instance_id=VALUES),
)
def test_a_header_that_does_not_match_is_why_a_request_is_refused(headers: dict[str, str], claims: Claims) -> None:
    outcomes = set(bindings(said(headers), claims).values())
    decision = decide(asked(headers), RULE, claims, "small")
    mismatched = isinstance(decision, Denied) and decision.reason is Reason.HEADER_MISMATCH
    assert mismatched == bool(outcomes & {"mismatch", "absent"})
