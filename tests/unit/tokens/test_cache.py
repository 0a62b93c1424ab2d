"""The memory of what was proven: bounded, and the newest is always in it."""

from itertools import count

import pytest

from authz.tokens.cache import Cache, CacheUse


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_is_known_and_nothing_else() -> None:
    memory: Cache[str] = Cache(10)
    assert memory.get(key(1)) is None
    memory.put(key(1), "one")
    assert memory.get(key(1)) == "one"
    assert memory.get(key(2)) is None


def test_its_length_is_the_number_of_values() -> None:
    memory: Cache[int] = Cache(10)
    for number in range(8):
        assert len(memory) == number
        memory.put(key(number), number)


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 10])
def test_it_never_holds_more_than_its_capacity(capacity: int) -> None:
    memory: Cache[int] = Cache(capacity)
    for number in range(50):
        memory.put(key(number), number)
        assert len(memory) <= max(2, capacity)


@pytest.mark.parametrize("capacity", [10, 1_000])
def test_it_holds_at_least_half_its_capacity(capacity: int) -> None:
    memory: Cache[int] = Cache(capacity)
    for number in range(capacity * 3):
        memory.put(key(number), number)
    newest = range(capacity * 3 - capacity // 2, capacity * 3)
    assert [memory.get(key(number)) for number in newest] == list(newest)


def test_the_newest_value_is_always_known() -> None:
    memory: Cache[int] = Cache(4)
    for number in range(50):
        memory.put(key(number), number)
        assert memory.get(key(number)) == number


def test_what_is_asked_for_outlives_what_is_not() -> None:
    memory: Cache[str] = Cache(10)
    numbers = count(2)
    memory.put(key(0), "wanted")
    memory.put(key(1), "unwanted")
    for _ in range(100):
        memory.put(key(next(numbers)), "other")
        assert memory.get(key(0)) == "wanted"
    assert memory.get(key(1)) is None


def test_a_value_put_again_is_the_newer_one() -> None:
    memory: Cache[str] = Cache(10)
    memory.put(key(1), "older")
    memory.put(key(1), "newer")
    assert memory.get(key(1)) == "newer"
    assert len(memory) == 1


def test_it_counts_what_it_knew_what_it_did_not_and_what_it_forgot() -> None:
    memory: Cache[int] = Cache(4)
    for number in range(4):
        assert memory.get(key(number)) is None
        memory.put(key(number), number)
    assert memory.get(key(0)) == 0, "taken over into the younger half, which forgets the older one"
    assert memory.use() == CacheUse(hits=1, misses=4, evictions=1, entries=3)


def test_what_came_of_two_memories_adds_up() -> None:
    assert CacheUse(1, 2, 3, 4) + CacheUse(10, 20, 30, 40) == CacheUse(11, 22, 33, 44)
