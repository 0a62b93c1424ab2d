"""Measures the whole function from request bytes to response bytes.

An allow with a known token, an allow with a new token, a public endpoint, and the most frequent refusals: no token, a
token without the scope, a path without a rule.
"""

from collections.abc import Iterator

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.check import Check
from authz.tokens.cache import Cache
from authz.tokens.proof import Proof
from benchmarks.measuring import Case
from benchmarks.subjects import CLOCK, Forgetful, check_request, judge_with, token


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    known, new = check_with(Cache(100)), check_with(Forgetful())
    request = check_request(token())
    yield whole("allow, token seen before", known, request, "allowed")
    yield whole("allow, new token", new, request, "allowed")
    yield whole("public", known, check_request(None, "/ai/monitoring/healthz", "GET"), "public")
    yield whole("refuse: no token", known, check_request(None), "missing_authorization")
    yield whole("refuse: no such scope", known, check_request(token(), "/ai/v1/amazon_q/events"), "missing_scope")
    yield whole("refuse: no rule", known, check_request(token(), "/ai/v2/code/nothing"), "no_rule")


def check_with(memory: Cache[Proof]) -> Check:
    """Return the check with that cache; a bug ends the benchmark."""
    return Check(judge_with(memory), lambda: CLOCK, fail)


def fail(error: Exception) -> None:
    """Raise an error that the server would log."""
    raise error


def whole(name: str, check: Check, request: bytes, reason: str) -> Case:
    """Return the case of one request after checking that its answer is the expected one."""
    facts = CheckResponse.FromString(check(request)).dynamic_metadata
    if facts["reason"] != reason:
        raise RuntimeError(f"'{name}' should be {reason}, but is {facts['reason']}")
    return Case(f"whole: {name}", lambda: check(request))
