"""Measures how a token becomes claims.

An instance token with six scopes, for each algorithm: for the first time, and again. For comparison the unavoidable
parts: the library's signature check alone, and the SHA-256 that is the cache key of a token.
"""

import hashlib
from collections.abc import Callable, Iterator

import jwt

from authz.model import Algorithm
from authz.tokens.cache import Cache
from authz.tokens.proof import Proof
from benchmarks.measuring import Case
from benchmarks.subjects import BACKEND, CLOCK, KEYS, Forgetful, judge_with, token


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    for algorithm in Algorithm:
        yield Case(f"verify {algorithm}, first time", verifying(Forgetful(), algorithm))
        yield Case(f"bare {algorithm} signature check", bare(algorithm))
    yield Case("verify RS256, seen before", verifying(Cache(100), Algorithm.RS256))
    signed = token().encode()
    yield Case("SHA-256 of that token", lambda: hashlib.sha256(signed).digest())


def verifying(memory: Cache[Proof], algorithm: Algorithm) -> Callable[[], object]:
    """Return a function that verifies one token."""
    verify, signed = judge_with(memory).verifier.verify, token(algorithm)
    if not isinstance(verify(signed, BACKEND, CLOCK), Proof):
        raise TypeError(f"the {algorithm} token should be valid")
    return lambda: verify(signed, BACKEND, CLOCK)


def bare(algorithm: Algorithm) -> Callable[[], object]:
    """Return a function that checks its signature alone."""
    public = KEYS[algorithm].private.public_key()
    message, _, signature = token(algorithm).rpartition(".")
    octets, signed = jwt.utils.base64url_decode(signature), message.encode()
    library = jwt.get_algorithm_by_name(algorithm.value)
    return lambda: library.verify(signed, public, octets)
