"""A clock that jumps: whatever is remembered, the answer is that of a service that has just started at that time."""

import random
from dataclasses import dataclass, replace
from typing import Final

import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.check import Check
from authz.deciding.judge import Judge
from authz.policy.load import Policy
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.revocations import NO_REVOCATIONS
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier
from tests.support.certificates import Certificate, x5c
from tests.support.minting import NOW, ROOT, Minter, request

HOUR: Final = 3_600
START_LEEWAY: Final = 10
LATER: Final = 600
CHAIN_SECONDS: Final = 1_800
JUMPS: Final = 500
LEAF: Final = Certificate(
    "Leaf", signed_by=ROOT, kind="RSA-2048", uris=("https://customers.gitlab.com",), starts=-HOUR, ends=CHAIN_SECONDS
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A request with a token, and from when until when it may be let in."""

    message: bytes
    begins: int
    ends: int


def bearers() -> dict[str, Bearer]:
    """Tokens of every kind that time ends."""
    minter = Minter()
    by_chain = minter.token(header={"kid": None, "x5c": x5c([LEAF])}, key=LEAF.key)
    later = minter.token(claims={"nbf": NOW + LATER, "exp": NOW + HOUR})
    begins = NOW - START_LEEWAY
    return {
        "three days": Bearer(request(token=minter.token()), begins, NOW + 72 * HOUR),
        "an hour": Bearer(request(token=minter.token(claims={"exp": NOW + HOUR})), begins, NOW + HOUR),
        "from later on": Bearer(request(token=later), begins + LATER, NOW + HOUR),
        "until its certificate ends": Bearer(request(token=by_chain), begins, NOW + CHAIN_SECONDS),
    }


BEARERS: Final = bearers()
MOMENTS: Final = sorted(
    {edge + step for bearer in BEARERS.values() for edge in (bearer.begins, bearer.ends) for step in (-1, 0, 1)}
    | {NOW, 0, -NOW, 2 * NOW, 10**12, NOW - 30 * 24 * HOUR, NOW + 30 * 24 * HOUR}
)


def fresh(policy: Policy) -> Judge:
    """The judge of a policy with empty caches."""
    ring = policy.judge.verifier._signers._ring
    signers = Signers(ring, ChainVerifier(ring.anchors, Cache(10)))
    return replace(policy.judge, verifier=Verifier(policy.issuers, signers, NO_REVOCATIONS, Cache(10)))


def clocked(judge: Judge, clock: list[float]) -> Check:
    """A check whose clock says what the list holds."""
    return Check(judge, lambda: clock[0], lambda error: pytest.fail(repr(error)))


@pytest.mark.parametrize("seed", range(4))
def test_no_jump_lets_in_what_a_service_that_has_just_started_would_refuse(policy: Policy, seed: int) -> None:
    clock, random_jumps = [float(NOW)], random.Random(seed)  # noqa: S311  the same jumps in every run
    remembering = clocked(fresh(policy), clock)
    for _ in range(JUMPS):
        clock[0] = random_jumps.choice(MOMENTS) + random_jumps.choice((0.0, 0.5))
        name, bearer = random_jumps.choice(list(BEARERS.items()))
        answer = remembering(bearer.message)
        let_in = CheckResponse.FromString(answer).status.code == 0
        assert let_in is (bearer.begins <= clock[0] < bearer.ends), f"{name} at {clock[0] - NOW}"
        assert answer == clocked(fresh(policy), clock)(bearer.message)


@pytest.mark.parametrize("name", BEARERS)
def test_what_has_expired_stays_expired_and_is_not_let_in_before_its_time(policy: Policy, name: str) -> None:
    bearer, clock = BEARERS[name], [0.0]
    check = clocked(fresh(policy), clock)

    def codes(*moments: float) -> list[int]:
        found = []
        for clock[0] in moments:
            found.append(CheckResponse.FromString(check(bearer.message)).status.code)
        return found

    inside = float(bearer.begins + 60)
    assert codes(inside, inside) == [0, 0]
    assert codes(bearer.ends, bearer.ends + HOUR, bearer.ends, 10**12) == [16] * 4
    assert codes(bearer.begins - 1, 0, -1) == [16] * 3
    assert codes(inside, bearer.ends, inside) == [0, 16, 0], "the clock was wrong, the token is not"
