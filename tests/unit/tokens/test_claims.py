"""The claims, one by one: what each may be, and what refuses well-formed ones at this time for this backend."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from authz.model import Claims, Issuer
from authz.tokens.claims import UNREADABLE, parse_claims, validity_error
from authz.tokens.proof import TokenError
from tests.support.examples import BACKEND, CLAIMS, ISSUER, OTHER_BACKEND
from tests.support.tables import row

REALMED: Final = replace(ISSUER, realms=frozenset({"saas"}))
SHORTEST: Final[Mapping[str, object]] = {"iss": "i", "sub": "s", "aud": "a", "exp": 2, "iat": 1, "scopes": []}


def parsed(issuer: Issuer = ISSUER, /, **members: object) -> Claims | TokenError:
    return parse_claims({**SHORTEST, **members}, issuer)


def test_the_shortest_claims_are_enough() -> None:
    assert parsed() == Claims(ISSUER, "s", frozenset({"a"}), frozenset(), 2.0, 1.0, None, "", "", "", "", None, {})


def test_every_claim_is_kept() -> None:
    members = {"aud": ["a", "b"], "scopes": ["x", "y"], "exp": 2.5, "iat": -1, "nbf": 0, "gitlab_realm": "saas"}
    more = {"gitlab_instance_id": "i-1", "jti": "j", "duo_seat_count": "50", "unknown": {"ignored": [1]}}
    assert parsed(REALMED, **members, **more, gitlab_root_namespace_id=9970) == Claims(
        REALMED, "s", frozenset("ab"), frozenset("xy"), 2.5, -1.0, 0.0, "saas", "i-1", "j", "9970", 50, {}
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [
        row("a text", "ultimate", {"plan": "ultimate"}),
        row("the longest text", "x" * 256, {"plan": "x" * 256}),
        row("a whole number", 9970, {"plan": "9970"}),
        row("a whole number written as a fraction", 9970.0, {"plan": "9970"}),
        row("zero", 0, {"plan": "0"}),
        row("a negative number", -1, {"plan": "-1"}),
        row("an empty text", "", {}),
        row("null", None, {}),
    ],
)
def test_a_claim_that_the_policy_names_is_read_as_text(value: object, read: Mapping[str, str]) -> None:
    claims = parse_claims({**SHORTEST, "plan": value, "other": "x"}, ISSUER, {"plan", "absent"})
    assert isinstance(claims, Claims)
    assert claims.named == read


@pytest.mark.parametrize("value", [True, False, 1.5, 2**53 + 1, [], ["ultimate"], {}, "x" * 257], ids=repr)
def test_a_claim_that_the_policy_names_and_that_is_no_text_fits_nothing(value: object) -> None:
    claims = parse_claims({**SHORTEST, "plan": value}, ISSUER, {"plan"})
    assert isinstance(claims, Claims), "only rules that name the claim refuse the token"
    assert claims.named == {"plan": UNREADABLE}


def test_what_fits_nothing_is_no_text_of_a_header_or_a_file() -> None:
    with pytest.raises(UnicodeEncodeError):
        UNREADABLE.encode()


@pytest.mark.parametrize("value", ["a b", "x" * 257, [9970], {"id": 9970}, True, 1.5], ids=repr)
def test_a_root_namespace_that_is_no_identifier_is_invalid(value: object) -> None:
    assert parsed(gitlab_root_namespace_id=value) is TokenError.INVALID_CLAIM


@pytest.mark.parametrize(
    ("members", "instance"),
    [
        row("the older name", {"gitlab_instance_id": "i-1"}, "i-1"),
        row("the newer name", {"gitlab_instance_uid": "i-1"}, "i-1"),
        row("both, and they are one", {"gitlab_instance_id": "i-1", "gitlab_instance_uid": "i-1"}, "i-1"),
        row("the older one is empty", {"gitlab_instance_id": "", "gitlab_instance_uid": "i-1"}, "i-1"),
        row("the newer one is empty", {"gitlab_instance_id": "i-1", "gitlab_instance_uid": ""}, "i-1"),
        row("neither", {}, ""),
    ],
)
def test_an_instance_has_an_older_and_a_newer_name(members: dict[str, object], instance: str) -> None:
    """2026-11-29: a user token that named its instance by the newer name alone was bound to no instance."""
    claims = parsed(**members)
    assert isinstance(claims, Claims)
    assert claims.instance_id == instance


@pytest.mark.parametrize(
    "members",
    [
        {"gitlab_instance_id": "i-1", "gitlab_instance_uid": "i-2"},
        {"gitlab_instance_id": "i-1", "gitlab_instance_uid": None},
        {"gitlab_instance_id": False, "gitlab_instance_uid": "i-1"},
        {"gitlab_instance_uid": "no id"},
    ],
    ids=str,
)
def test_a_token_that_names_two_instances_or_none_that_can_be_read_is_invalid(members: dict[str, object]) -> None:
    assert parsed(**members) is TokenError.INVALID_CLAIM


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_root_namespace_is_absent(value: object) -> None:
    claims = parsed(gitlab_root_namespace_id=value)
    assert isinstance(claims, Claims)
    assert claims.root_namespace_id == ""


@pytest.mark.parametrize("name", SHORTEST)
def test_a_required_claim_that_is_absent_is_missing(name: str) -> None:
    assert (
        parse_claims({key: value for key, value in SHORTEST.items() if key != name}, ISSUER) is TokenError.MISSING_CLAIM
    )


def test_what_is_missing_is_reported_before_what_is_invalid() -> None:
    assert parse_claims({"iss": "i", "sub": 7}, ISSUER) is TokenError.MISSING_CLAIM
    assert parsed(REALMED, sub=7) is TokenError.MISSING_CLAIM


@pytest.mark.parametrize(
    ("members", "answer"),
    [
        ({}, TokenError.MISSING_CLAIM),
        ({"gitlab_realm": ""}, TokenError.MISSING_CLAIM),
        ({"gitlab_realm": "other"}, "other"),
    ],
    ids=["absent", "empty counts as absent", "present: its value is judged later"],
)
def test_a_realm_is_required_where_the_issuer_has_realms(members: dict[str, object], answer: object) -> None:
    claims = parsed(REALMED, **members)
    assert (claims.realm if isinstance(claims, Claims) else claims) == answer


@pytest.mark.parametrize("members", [{}, {"gitlab_realm": ""}], ids=["absent", "empty"])
def test_a_realm_is_not_required_where_the_issuer_has_none(members: dict[str, object]) -> None:
    claims = parsed(**members)
    assert isinstance(claims, Claims)
    assert claims.realm == ""


NOT_A_NAME: Final[Mapping[str, object]] = {
    "null": None,
    "a number": 7,
    "true": True,
    "a list": ["s"],
    "an object": {},
    "a space": "a b",
    "a line break at the end": "a\n",
    "a letter that is not ASCII": "é",
    "a digit that is not ASCII": "٣",
    "a comma": "a,b",
    "a lone surrogate": "\ud800",
    "257 characters": "a" * 257,
}


@pytest.mark.parametrize("name", ["sub", "jti", "gitlab_instance_id"])
@pytest.mark.parametrize("value", NOT_A_NAME.values(), ids=NOT_A_NAME.keys())
def test_what_is_no_identifier_is_invalid(name: str, value: object) -> None:
    assert parsed(**{name: value}) is TokenError.INVALID_CLAIM


@pytest.mark.parametrize("name", ["sub", "jti", "gitlab_instance_id"])
@pytest.mark.parametrize("value", ["a", "a" * 256, "AZaz09+/=_.:-"], ids=["one character", "256", "every kind"])
def test_an_identifier_is_1_to_256_of_these(name: str, value: str) -> None:
    assert isinstance(parsed(**{name: value}), Claims)


def test_only_a_subject_may_not_be_empty() -> None:
    assert isinstance(parsed(jti="", gitlab_instance_id=""), Claims)
    assert parsed(sub="") is TokenError.INVALID_CLAIM


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "2",
        "",
        [2],
        {},
        float("inf"),
        float("-inf"),
        float("nan"),
        2**53 + 1,
        -(2**53) - 1,
        10**400,
        1e300,
    ],
    ids=repr,
)
def test_what_is_no_date_is_invalid(name: str, value: object) -> None:
    assert parsed(**{name: value}) is TokenError.INVALID_CLAIM


@pytest.mark.parametrize("value", [0, -1, 1.5, 2**53, -(2**53)])
def test_any_finite_number_in_bounds_is_a_date(value: float) -> None:
    claims = parsed(exp=value, iat=value, nbf=value)
    assert isinstance(claims, Claims)
    assert claims.expires == claims.issued == claims.not_before == value


@pytest.mark.parametrize(
    "value", [None, 7, True, ["saas"], "SaaS", "self managed", "a" * 33, "saas\n", "réalm", "a1"], ids=ascii
)
def test_what_is_no_realm_is_invalid(value: object) -> None:
    assert parsed(gitlab_realm=value) is TokenError.INVALID_CLAIM


def test_a_realm_may_have_32_characters() -> None:
    assert isinstance(parsed(gitlab_realm="a" * 32), Claims)


@pytest.mark.parametrize("value", [None, "a b", {"a": 1}, 7, ["a", 7], ["a", None], [["a"]]], ids=repr)
def test_what_is_no_list_of_names_is_invalid(value: object) -> None:
    assert parsed(scopes=value) is TokenError.INVALID_CLAIM


@pytest.mark.parametrize("value", [None, {"a": 1}, 7, True, ["a", 7], [["a"]]], ids=repr)
def test_what_is_no_audience_is_invalid(value: object) -> None:
    assert parsed(aud=value) is TokenError.INVALID_CLAIM


def test_a_text_is_one_audience_and_no_list_of_letters() -> None:
    claims = parsed(aud="abc")
    assert isinstance(claims, Claims)
    assert claims.audiences == {"abc"}


@pytest.mark.parametrize(
    ("value", "seats"),
    [
        row("none", 0, 0),
        row("a number", 50, 50),
        row("a number has no bound", 10**12, 10**12),
        row("digits", "50", 50),
        row("nine digits", "000000007", 7),
        row("ten digits", "1000000000", None),
        row("empty", "", None),
        row("a sign", "-1", None),
        row("a point", "1.5", None),
        row("a space", " 1", None),
        row("a line break", "1\n", None),
        row("a digit that is not ASCII", "٣", None),
        row("a superscript", "²", None),
        row("less than none", -1, None),
        row("a whole number written as a fraction", 1.0, 1),
        row("a fraction", 1.5, None),
        row("more than all numbers", 1e308 * 10, None),
        row("true", True, None),
        row("null", None, None),
        row("a list", [5], None),
    ],
)
def test_seats_that_make_no_sense_are_unknown_and_refuse_no_token(value: object, seats: int | None) -> None:
    claims = parsed(duo_seat_count=value)
    assert isinstance(claims, Claims)
    assert claims.seats == seats


LENIENT: Final = replace(ISSUER, expiry_leeway=30.0, start_leeway=30.0)


@pytest.mark.parametrize(
    ("changes", "now", "error"),
    [
        row("just before it expires", {}, 1_999.999, None),
        row("as it expires", {}, 2_000.0, TokenError.EXPIRED),
        row("just before the leeway ends", {"issuer": LENIENT}, 2_029.9, None),
        row("as the leeway ends", {"issuer": LENIENT}, 2_030.0, TokenError.EXPIRED),
        row("issued ten seconds ahead", {}, 990.0, None),
        row("issued further ahead", {}, 989.9, TokenError.NOT_YET_VALID),
        row("issued ahead within the issuer's leeway", {"issuer": LENIENT}, 970.0, None),
        row("issued ahead beyond it", {"issuer": LENIENT}, 969.9, TokenError.NOT_YET_VALID),
        row("not before ten seconds ahead", {"not_before": 1_510.0}, 1_500.0, None),
        row("not before later", {"not_before": 1_510.1}, 1_500.0, TokenError.NOT_YET_VALID),
        row("not before, within the leeway", {"issuer": LENIENT, "not_before": 1_530.0}, 1_500.0, None),
        row("as long as the issuer may say", {"expires": 4_600.0}, 1_500.0, None),
        row("longer", {"expires": 4_600.1}, 1_500.0, TokenError.LIFETIME_TOO_LONG),
        row("no leeway there", {"issuer": LENIENT, "expires": 4_600.1}, 1_500.0, TokenError.LIFETIME_TOO_LONG),
        row("a realm of the issuer", {"issuer": REALMED, "realm": "saas"}, 1_500.0, None),
        row("another realm", {"issuer": REALMED, "realm": "other"}, 1_500.0, TokenError.WRONG_REALM),
        row("any realm where the issuer lists none", {"realm": "other"}, 1_500.0, None),
        row("no audience", {"audiences": frozenset()}, 1_500.0, TokenError.WRONG_AUDIENCE),
        row("another's audience", {"audiences": frozenset({"aud-beta"})}, 1_500.0, TokenError.WRONG_AUDIENCE),
        row("one of several audiences", {"audiences": frozenset({"aud-alpha", "aud-beta"})}, 1_500.0, None),
        row("half the audience", {"audiences": frozenset({"aud-alph"})}, 1_500.0, TokenError.WRONG_AUDIENCE),
        row("the backend's name", {"audiences": frozenset({"alpha"})}, 1_500.0, TokenError.WRONG_AUDIENCE),
        row(
            "a backend that the issuer may not mint for",
            {"issuer": replace(ISSUER, backend_services=frozenset({"beta"}))},
            1_500.0,
            TokenError.WRONG_AUDIENCE,
        ),
        row("a backend that it may", {"issuer": replace(ISSUER, backend_services=frozenset({"alpha"}))}, 1_500.0, None),
    ],
)
def test_well_formed_claims_are_judged_for_this_time_and_backend(
    changes: dict[str, object], now: float, error: TokenError | None
) -> None:
    assert validity_error(replace(CLAIMS, **changes), BACKEND, now) is error  # type: ignore[arg-type]


def test_claims_that_one_backend_takes_another_does_not() -> None:
    assert validity_error(CLAIMS, BACKEND, 1_500.0) is None
    assert validity_error(CLAIMS, OTHER_BACKEND, 1_500.0) is TokenError.WRONG_AUDIENCE


def test_the_first_error_is_reported() -> None:
    """Time comes before realm, realm before audience: an expired token of a known customer is no attack."""
    wrong = replace(CLAIMS, issuer=REALMED, realm="other", audiences=frozenset(), expires=9_000.0)
    assert validity_error(wrong, BACKEND, 9_000.0) is TokenError.EXPIRED
    assert validity_error(wrong, BACKEND, 0.0) is TokenError.NOT_YET_VALID
    assert validity_error(wrong, BACKEND, 1_500.0) is TokenError.LIFETIME_TOO_LONG
    assert validity_error(replace(wrong, expires=2_000.0), BACKEND, 1_500.0) is TokenError.WRONG_REALM
