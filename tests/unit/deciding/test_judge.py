"""The judge: what it asks of a route's label and of the authorization header."""

import pytest

from authz.deciding.decision import Denied
from authz.deciding.judge import Judge, credentials
from authz.deciding.reasons import Reason
from authz.deciding.rules import Branch, Endpoint, Rules
from authz.model import PublicRule, Tiers, TokenRule
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.ring import KeyRing
from authz.tokens.revocations import NO_REVOCATIONS
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier
from tests.support.examples import BACKEND, RULE, asked


def refused(reason: Reason) -> Denied:
    return Denied(reason, backend_service="alpha")


def judge_of(rule: TokenRule | PublicRule) -> Judge:
    """Return a judge that knows one rule, for `POST /alpha/do`, and no issuer."""
    endpoint = Endpoint(BACKEND, {"POST": rule}, ())
    do = Branch({}, None, endpoint, None)
    rules = Rules(Branch({"alpha": Branch({"do": do}, None, None, None)}, None, None, None))
    signers = Signers(KeyRing({}, {}), ChainVerifier({}, Cache(1)))
    return Judge(rules, Verifier((), signers, NO_REVOCATIONS, Cache(1)), Tiers("any", ()), False, "r")


@pytest.mark.parametrize(
    ("label", "agrees"), [("alpha", True), ("beta", False), ("", False), (None, False), ("Alpha", False)]
)
@pytest.mark.parametrize("rule", [RULE, PublicRule(BACKEND, ("GET",))], ids=["by token", "public"])
def test_the_routes_label_names_the_rules_backend(
    label: str | None, agrees: bool, rule: TokenRule | PublicRule
) -> None:
    decision = judge_of(rule).judge(asked(label=label), 0.0).decision
    assert (decision == refused(Reason.BACKEND_DISAGREEMENT)) is not agrees


@pytest.mark.parametrize(
    "authorization",
    ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc", "bEaReR abc"],
)
def test_a_bearer_token_is_found(authorization: str) -> None:
    headers = {"authorization": authorization, "x-gitlab-authentication-type": "oidc"}
    assert credentials(headers, RULE) == "abc"


def test_what_is_a_space_beyond_ascii_is_for_the_token_to_answer_for() -> None:
    headers = {"authorization": "Bearer a\u00a0b", "x-gitlab-authentication-type": "oidc"}
    assert credentials(headers, RULE) == "a\u00a0b"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, Reason.MISSING_AUTHORIZATION),
        ({"authorization": ""}, Reason.MISSING_AUTHORIZATION),
        ({"authorization": "Bearer"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer "}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearerabc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": " Bearer abc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer abc "}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer abc\n"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer\tabc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer abc def"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer abc,Bearer def"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Basic abc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "abc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bea\u0155er abc"}, Reason.MALFORMED_AUTHORIZATION),
        ({"authorization": "Bearer abc"}, Reason.UNSUPPORTED_AUTHENTICATION_TYPE),
        (
            {"authorization": "Bearer abc", "x-gitlab-authentication-type": "OIDC"},
            Reason.UNSUPPORTED_AUTHENTICATION_TYPE,
        ),
        ({"authorization": "Bearer abc", "x-gitlab-authentication-type": ""}, Reason.UNSUPPORTED_AUTHENTICATION_TYPE),
        ({"authorization": "nonsense", "x-gitlab-authentication-type": "other"}, Reason.MALFORMED_AUTHORIZATION),
    ],
    ids=str,
)
def test_credentials_that_are_no_one_bearer_token_are_refused(headers: dict[str, str], reason: Reason) -> None:
    assert credentials(headers, RULE) == refused(reason)
