"""Measures tokens with certificate chains: accepted, and refused for their certificates.

A leaf and an intermediate, 2048-bit RSA below ECDSA. First everything is new; then a new token with known certificates,
which is an issuer's usual next token; then a known token. The refusals have four certificates each, the maximum. A
search for a path among them would be the most expensive: so an attacker makes four that could all have signed each
other, with the slowest keys and in the name of the root, or puts a forged leaf below real certificates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Final

from authz.deciding.judge import Judge
from authz.tokens.cache import Cache
from authz.tokens.proof import Proof, TokenError
from benchmarks.measuring import Case
from benchmarks.subjects import BACKEND, CHAIN, CLOCK, ROOT, Forgetful, chain_token, judge_with, token
from tests.support.certificates import Certificate

SLOWEST: Final = "P-521"
WEB: Final = tuple(Certificate("root", ca=True, key_name=f"web {n}", kind=SLOWEST) for n in range(3))
HOSTILE: Final[dict[str, tuple[Certificate | bytes, ...]]] = {
    "four in the root's name that could all have signed each other": (
        replace(CHAIN[0], name="root", signed_by=WEB[0]),
        *(replace(WEB[0], starts=-86_400.0 * day) for day in (1, 2, 3)),
    ),
    "three strangers behind a real leaf": (CHAIN[0], *WEB),
    "a real chain, and a stranger in the root's name behind it": (*CHAIN, WEB[0]),
    "a forged leaf below a real chain": (
        replace(CHAIN[0], signed_by=CHAIN[0], forged_by="mine"),
        *CHAIN,
        ROOT,
    ),
    "four times 2 KiB of junk": (b"\x30\x82\x08\x00" + bytes(2_048),) * 4,
    "four certificates of 300 names each": tuple(
        replace(WEB[0], key_name=f"names {n}", dns=tuple(f"{m:03}" for m in range(300))) for n in range(4)
    ),
}


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    for placement in ("header", "claims"):
        signed = chain_token(placement=placement)
        new = judge_with(Forgetful(), Forgetful())
        yield Case(f"chain in the {placement}, all of it new", believed(new, [signed]))
    tokens = [chain_token(number=number) for number in range(64)]
    yield Case("chain known, new token", believed(judge_with(Forgetful()), tokens))
    yield Case("chain and token known", believed(judge_with(Cache(100)), tokens[:1]))
    yield Case("no chain, new token", believed(judge_with(Forgetful()), [token()]))
    for name, chain in HOSTILE.items():
        yield Case(f"refuse: {name}", refused(chain_token(chain)))


def believed(judge: Judge, tokens: Sequence[str]) -> Callable[[], object]:
    """Return a function that verifies one token after the other."""
    verify, turns = judge.verifier.verify, cycle(tokens)
    if not all(isinstance(verify(each, BACKEND, CLOCK), Proof) for each in tokens):
        raise TypeError("these tokens should be valid")
    return lambda: verify(next(turns), BACKEND, CLOCK)


def refused(signed: str) -> Callable[[], object]:
    """Return a function that refuses a token for its certificates."""
    verify = judge_with(Forgetful(), Forgetful()).verifier.verify
    verdict = verify(signed, BACKEND, CLOCK)
    if isinstance(verdict, Proof) or verdict.error is not TokenError.UNTRUSTED_CERTIFICATE:
        raise TypeError(f"this token should be refused for its certificates, but is not: {verdict}")
    return lambda: verify(signed, BACKEND, CLOCK)
