"""Every limit of users, instances, unit primitives and tiers trips at its number here as in Envoy itself.

The same tests, on another engine: one strategy. What only this one has is tested beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_limits_numbers import (
    LIMITS,
    test_a_limit_in_shadow_leaves_those_beside_it_in_force,
    test_a_tier_as_a_whole_is_limited_and_other_tiers_are_not,
    test_a_tier_that_the_limits_leave_out_draws_from_the_default_tiers_buckets,
    test_a_unit_primitive_has_limits_of_its_own_within_the_backends,
    test_a_unit_primitive_in_shadow_lets_through,
    test_a_user_is_limited_and_colleagues_are_not,
    test_an_exception_raises_one_instance_in_whatever_tier_and_nothing_else,
    test_an_instance_is_limited_whoever_asks_and_others_are_not,
    test_gitlab_com_has_no_instance_limit_but_its_users_have_theirs,
    test_inventing_users_escapes_neither_instance_nor_tier,
    test_naming_another_instances_user_spends_nothing_of_it,
    test_one_backends_limits_are_not_anothers,
    test_realms_do_not_share_buckets_where_their_ids_are_the_same,
    test_what_a_user_is_refused_is_not_taken_from_its_instance,
    test_whoever_leaves_the_user_out_shares_one_bucket_with_its_instance_alone,
)
from tests.support.e2e.customer import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shared.gate import SharedGate, SharedGates

__all__ = [
    "test_a_limit_in_shadow_leaves_those_beside_it_in_force",
    "test_a_tier_as_a_whole_is_limited_and_other_tiers_are_not",
    "test_a_tier_that_the_limits_leave_out_draws_from_the_default_tiers_buckets",
    "test_a_unit_primitive_has_limits_of_its_own_within_the_backends",
    "test_a_unit_primitive_in_shadow_lets_through",
    "test_a_user_is_limited_and_colleagues_are_not",
    "test_an_exception_raises_one_instance_in_whatever_tier_and_nothing_else",
    "test_an_instance_is_limited_whoever_asks_and_others_are_not",
    "test_gitlab_com_has_no_instance_limit_but_its_users_have_theirs",
    "test_inventing_users_escapes_neither_instance_nor_tier",
    "test_naming_another_instances_user_spends_nothing_of_it",
    "test_one_backends_limits_are_not_anothers",
    "test_realms_do_not_share_buckets_where_their_ids_are_the_same",
    "test_what_a_user_is_refused_is_not_taken_from_its_instance",
    "test_whoever_leaves_the_user_out_shares_one_bucket_with_its_instance_alone",
]


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    with gates.open("shared-numbers", LIMITS) as opened:
        yield opened


def test_limits_in_shadow_let_through_are_counted_and_are_not_shown(gate: SharedGate) -> None:
    """20 requests, of which 2 of a user, 4 of an instance and 10 of the tier are within the limits."""
    one = gate.customer()
    answers = [one.ask(TRACES) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]

    def over(domain: str) -> float:
        return gate.counting.service.counted(rf'ratelimit_service_rate_limit_shadow_mode{{domain="{domain}"')

    # Instances of another tier are in shadow, too, and another test asks for them.
    gate.door.wait_until(lambda: (over("users"), over("tiers")) == (18, 10) and over("instances") >= 16, "the counts")
