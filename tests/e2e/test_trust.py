"""Whom the door trusts: tokens that bring their certificates, and what is revoked."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.cases.case_file import POLICY
from tests.e2e.chains import LEAF, SISTER, chain_token
from tests.minting import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.door import Door
    from tests.e2e.visitor import Answer, Visitor

COMPLETIONS: Final = "/ai/v2/code/completions"
STOLEN: Final = "9c3f4d0e-6a0f-4c58-8f5e-0a1f6f1f2b11"


def bearing(visitor: Visitor, token: str, issuer: str = "customers-dot") -> Answer:
    return visitor.ask("POST", COMPLETIONS, issuer=issuer, headers={"authorization": f"Bearer {token}"})


def of_instance(visitor: Visitor, instance: str) -> Answer:
    claims = {"sub": instance, "gitlab_instance_id": instance}
    return visitor.ask(
        "POST", COMPLETIONS, ["complete_code"], claims=claims, headers={"x-gitlab-instance-id": instance}
    )


@pytest.mark.parametrize("placement", ["header", "claims"])
def test_a_token_that_brings_its_certificates_is_let_in(door: Door, visitor: Visitor, placement: str) -> None:
    token = chain_token(visitor.mint, placement=placement)
    for _ in range(2):  # new, and remembered
        answer = bearing(visitor, token)
        assert answer.status == 200
        assert answer.echoed()["x-gitlab-authorized-instance-id"] == INSTANCE
        assert door.log_line(answer.request_id)["issuer"] == "customers-dot"


def test_a_sister_issuers_certificate_signs_for_nobody_else(door: Door, visitor: Visitor) -> None:
    assert bearing(visitor, chain_token(visitor.mint, SISTER, issuer="gitlab-com"), "gitlab-com").status == 200
    with door.nothing_let_through():
        for placement in ("header", "claims"):
            answer = bearing(visitor, chain_token(visitor.mint, SISTER, placement))
            assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")
            assert door.log_line(answer.request_id)["auth_outcome"] == "failed"


@pytest.fixture
def revoking(door: Door) -> Iterator[None]:
    """The service with an instance and a certificate revoked; without them afterwards."""
    policy = shutil.copytree(POLICY, door.folder / "policy", ignore=shutil.ignore_patterns("keys"))
    (policy / "revocations.yml").write_text(
        f"instances: [{{value: {STOLEN}, reason: stolen}}]\n"
        f"certificates: [{{value: {LEAF.thumbprint}, reason: its key was in a backup}}]\n"
    )
    door.authz.policy = policy
    restart(door)
    yield
    door.authz.policy = None
    restart(door)


def restart(door: Door) -> None:
    door.authz.kill()
    door.authz.stop()
    door.authz.start()
    door.wait_for_authz()


def test_what_is_not_revoked_is_let_in(visitor: Visitor) -> None:
    assert of_instance(visitor, STOLEN).status == 200
    assert bearing(visitor, chain_token(visitor.mint)).status == 200


@pytest.mark.usefixtures("revoking")
def test_what_is_revoked_is_refused_and_others_pass(door: Door, visitor: Visitor) -> None:
    with door.nothing_let_through():
        for answer in (of_instance(visitor, STOLEN), bearing(visitor, chain_token(visitor.mint))):
            assert (answer.status, answer.json()["reason"]) == (401, "invalid_token")
            assert answer.json()["error"] == "Forbidden by auth provider"
            line = door.log_line(answer.request_id)
            assert (line["outcome"], line["auth_outcome"]) == ("denied", None), "a customer is no attacker"
    assert of_instance(visitor, INSTANCE).status == 200
    assert bearing(visitor, chain_token(visitor.mint, SISTER, issuer="gitlab-com"), "gitlab-com").status == 200
