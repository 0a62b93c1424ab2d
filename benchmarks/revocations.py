"""Measures the cost of looking up revocations for a known token, without entries and with 100,000.

The entries are UUIDs, a fifth in each list; none is the token's. `python -m benchmarks.loading` measures how long they
take to load, which is seconds.
"""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from authz.tokens.cache import Cache
from authz.tokens.proof import Proof
from authz.tokens.revocations import NO_REVOCATIONS, Revocations
from benchmarks.measuring import Case
from benchmarks.subjects import BACKEND, CLOCK, judge_with, token

FOREVER: Final = float("inf")


def revoked(count: int) -> Revocations:
    """Return that many revocations, a fifth of each kind."""
    names = [[str(uuid.UUID(int=5 * number + kind)) for number in range(count // 5)] for kind in range(5)]
    token_ids, instances, users, kids, certificates = names
    return Revocations(
        dict.fromkeys(token_ids, FOREVER),
        dict.fromkeys(instances, FOREVER),
        dict.fromkeys(users, FOREVER),
        dict.fromkeys((("customers-dot", kid) for kid in kids), FOREVER),
        dict.fromkeys(certificates, FOREVER),
    )


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    signed = token()
    for count, revocations in ((0, NO_REVOCATIONS), (100_000, revoked(100_000))):
        verify = judge_with(Cache(100), revocations=revocations).verifier.verify
        proof = verify(signed, BACKEND, CLOCK)
        if not isinstance(proof, Proof):
            raise TypeError("the token should be valid")
        yield Case(f"known token, {count:,} revocations", partial(verify, signed, BACKEND, CLOCK))
        yield Case(f"look-up alone, {count:,} revocations", look_up(revocations, proof))


def look_up(revocations: Revocations, proof: Proof) -> Callable[[], object]:
    """Return a function that looks up one token."""
    return lambda: revocations.cover(proof.claims, proof.signer.key.kid, proof.signer.thumbprints, CLOCK)
