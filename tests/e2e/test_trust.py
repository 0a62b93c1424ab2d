"""The door accepts tokens with certificate chains (the end of a trust: test_serving_reload.py)."""

from typing import Final

import pytest

from tests.support.e2e.chains import SISTER, chain_token
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.minting import INSTANCE

COMPLETIONS: Final = "/ai/v2/code/completions"


def bearing(client: HttpClient, token: str, issuer: str = "customers-dot") -> Answer:
    return client.ask("POST", COMPLETIONS, issuer=issuer, headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("placement", ["header", "claims"])
def test_a_token_with_its_certificate_chain_is_allowed(door: Door, client: HttpClient, placement: str) -> None:
    token = chain_token(client.mint, placement=placement)
    for _ in range(2):  # first new, then cached
        answer = bearing(client, token)
        assert answer.status == 200
        assert answer.echoed()["x-gitlab-authorized-instance-id"] == INSTANCE
        assert door.log_line(answer.request_id)["issuer"] == "customers-dot"


def test_a_sister_issuers_certificate_signs_only_for_that_issuer(door: Door, client: HttpClient) -> None:
    assert bearing(client, chain_token(client.mint, SISTER, issuer="gitlab-com"), "gitlab-com").status == 200
    with door.no_request_at_backends():
        for placement in ("header", "claims"):
            answer = bearing(client, chain_token(client.mint, SISTER, placement))
            assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")
            assert door.log_line(answer.request_id)["auth_outcome"] == "failed"
