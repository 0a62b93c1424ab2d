"""The memory of proofs: bounded, and never a token that has expired."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authz.tokens import ProofCache
from tests.unit.examples import CLAIMS


def test_a_proof_is_remembered_until_it_expires() -> None:
    cache = ProofCache()
    key = cache.key("token")
    assert cache.get(key, 1_500.0) is None
    cache.put(key, CLAIMS)
    assert cache.get(key, 1_999.9) is CLAIMS
    assert cache.get(key, 2_000.0) is None


def test_different_tokens_have_different_keys_and_none_holds_its_token() -> None:
    keys = [ProofCache.key(token) for token in ("a.b.c", "a.b.C", "a.b.c ", "")]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}


def test_any_text_has_a_key() -> None:
    assert ProofCache.key("\ud800") != ProofCache.key("\ud801")


def test_its_length_is_the_number_of_proofs() -> None:
    cache = ProofCache(10)
    for number in range(8):
        assert len(cache) == number
        cache.put(ProofCache.key(str(number)), CLAIMS)


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 10])
def test_it_never_holds_more_than_its_capacity(capacity: int) -> None:
    cache = ProofCache(capacity)
    for number in range(50):
        cache.put(ProofCache.key(str(number)), CLAIMS)
        assert len(cache) <= max(2, capacity)


def test_the_newest_proof_is_always_remembered() -> None:
    cache = ProofCache(4)
    for number in range(50):
        key = ProofCache.key(str(number))
        cache.put(key, CLAIMS)
        assert cache.get(key, 0.0) is CLAIMS


def test_what_is_asked_for_outlives_what_is_not() -> None:
    cache = ProofCache(10)
    wanted, unwanted = ProofCache.key("wanted"), ProofCache.key("unwanted")
    cache.put(wanted, CLAIMS)
    cache.put(unwanted, CLAIMS)
    for number in range(100):
        cache.put(ProofCache.key(str(number)), CLAIMS)
        assert cache.get(wanted, 0.0) is CLAIMS, number
    assert cache.get(unwanted, 0.0) is None


def test_a_proof_put_again_is_the_newer_one() -> None:
    cache = ProofCache()
    key = cache.key("token")
    newer = replace(CLAIMS, expires=3_000.0)
    cache.put(key, CLAIMS)
    cache.put(key, newer)
    assert cache.get(key, 2_500.0) is newer
    assert len(cache) == 1
