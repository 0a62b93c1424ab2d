"""Development tokens: the claims of the real issuers, refused before signing where the service would refuse them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jwt
import pytest

from authz.issuing.authority import generate_chain
from authz.issuing.key_pairs import generate_pair
from authz.issuing.tokens import ChainPlace, NewToken, sign, sign_with_chain
from authz.model import BackendService, TokenType, Trust
from authz.tokens.proof import TokenError
from tests.support.examples import ISSUER

NOW: Final = 1_767_225_600
INSTANCE_ISSUER: Final = replace(ISSUER, token_type=TokenType.INSTANCE, realms=frozenset({"saas", "self-managed"}))
NEW: Final = NewToken(
    issuer=INSTANCE_ISSUER,
    backend=BackendService("ai_gateway", "gitlab-ai-gateway"),
    scopes=("duo_chat",),
    instance_id="00000000-0000-4000-8000-000000000001",
    user=None,
    realm=None,
    seats=None,
    lifetime=3600.0,
)


def test_an_instances_token_is_valid_a_little_before_it_is_issued() -> None:
    claims = NEW.claims(NOW)
    assert (claims["sub"], claims["nbf"], claims["exp"]) == (NEW.instance_id, NOW - 5, NOW + 3600)


def test_a_users_token_names_the_user_and_the_instance() -> None:
    issuer = replace(INSTANCE_ISSUER, token_type=TokenType.USER)
    claims = replace(NEW, issuer=issuer, user="user-1").claims(NOW)
    assert (claims["sub"], claims["gitlab_instance_id"], claims["nbf"]) == ("user-1", NEW.instance_id, NOW)


def test_the_realm_is_the_issuers_first_unless_it_is_given() -> None:
    assert NEW.claims(NOW)["gitlab_realm"] == "saas"
    assert replace(NEW, realm="self-managed").claims(NOW)["gitlab_realm"] == "self-managed"


def test_seats_are_claimed_only_where_they_are_given() -> None:
    assert "duo_seat_count" not in NEW.claims(NOW)
    assert replace(NEW, seats=0).claims(NOW)["duo_seat_count"] == 0


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NEW, None),
        (replace(NEW, lifetime=0.0), TokenError.EXPIRED),
        (replace(NEW, realm="elsewhere"), TokenError.WRONG_REALM),
        (replace(NEW, instance_id="two words"), TokenError.INVALID_CLAIM),
    ],
    ids=["acceptable", "expired", "wrong realm", "no identifier"],
)
def test_what_the_service_would_refuse_is_known_before_signing(new: NewToken, error: TokenError | None) -> None:
    assert new.error(new.claims(NOW), NOW) is error


@pytest.mark.parametrize("missing", [False, True], ids=["named key", "issuer without kid"])
def test_a_token_names_its_key_unless_the_issuer_leaves_that_out(tmp_path: Path, missing: bool) -> None:
    issuer = replace(INSTANCE_ISSUER, allow_missing_kid=missing)
    generate_pair(tmp_path, issuer, datetime.now(UTC))
    assert ("kid" in jwt.get_unverified_header(sign(NEW.claims(NOW), tmp_path, issuer))) is not missing


@pytest.mark.parametrize("place", ChainPlace)
def test_a_chain_is_carried_in_one_place_alone(tmp_path: Path, place: ChainPlace) -> None:
    issuer = replace(INSTANCE_ISSUER, trust=frozenset({Trust.CERTIFICATE_CHAIN}))
    generate_chain(tmp_path, issuer, datetime.now(UTC))
    token = sign_with_chain(NEW.claims(NOW), tmp_path, issuer, place)
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert ("x5c" in header, "x5c" in claims) == (place is ChainPlace.HEADER, place is ChainPlace.CLAIMS)
