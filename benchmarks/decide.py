"""Measures the decision: from a request, its rule and valid claims.

First the token is taken out of its header. Then the shipped rule of code completions, which needs one scope, and one of
a proxy, whose unit primitive a header names.
"""

from collections.abc import Iterator
from typing import Final

from authz.deciding.access import decide, demand, identify
from authz.deciding.decision import Decision
from authz.deciding.judge import credentials
from authz.deciding.request import to_request
from authz.model import Request, TokenRule
from authz.tokens.cache import Cache
from authz.tokens.proof import Proof
from benchmarks.measuring import Case
from benchmarks.subjects import BACKEND, CLOCK, POLICY, check_request, judge_with, token

PATHS: Final = {
    "allow by a scope": "/ai/v2/code/completions",
    "refuse: no such scope": "/ai/v1/amazon_q/events",
    "refuse: no header names it": "/ai/v1/proxy/anthropic/v1/messages",
}


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    request = to_request(check_request(token()))
    rule = POLICY.judge.rules.match(request.method, request.target)
    if not isinstance(rule, TokenRule):
        raise TypeError("code completions demand no token")
    yield Case("take the token out of its header", lambda: credentials(request.headers, rule))
    for name, path in PATHS.items():
        yield decision(name, to_request(check_request(token(), path)))


def decision(name: str, request: Request) -> Case:
    """Return the case of one request."""
    judge = judge_with(Cache(100))
    rule = judge.rules.match(request.method, request.target)
    proof = judge.verifier.verify(token(), BACKEND, CLOCK)
    if not (isinstance(rule, TokenRule) and isinstance(proof, Proof)):
        raise TypeError(f"'{name}' never gets as far as a decision")
    headers, claims, tier = request.headers, proof.claims, judge.tiers.of(proof.claims)

    def decided() -> Decision:
        return decide(headers, rule, demand(rule, headers), claims, identify(headers, claims, tier))

    return Case(f"decide: {name}", decided)
