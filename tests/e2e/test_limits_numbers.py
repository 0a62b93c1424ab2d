"""Every limit of either engine refuses at its number, for its own caller and for no other.

Windows are a day long, so that no bucket gets a token back while a test runs.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from dev.envoy.files import Engine
from tests.support.e2e.customer import CHAT, COMPLETIONS, NO_LIMIT, SCAN, TRACES, WORKFLOWS, Customer
from tests.support.e2e.limited import Gate
from tests.support.shared.gate import EMBEDDED_ONLY, SHARED_ONLY, Opener, SharedGate

RAISED: Final = "0b4f9a52-77aa-4c0e-9b7d-2f4c8a1d9e00"
RAISED_NAMESPACE: Final = "9970"
LIMITS: Final = f"""\
backend_services:
  sast:
    capacity: 100000/day
    tiers:
      any:    {{share: 20%, instance: 1000/day, namespace: 5/day, user: 3/day}}
      small:  {{share: 20%, instance: 4/day, user: 1000/day}}
      medium: {{share: 20%, instance: 6/day, user: 3/day}}
  duo_workflow_service:
    capacity: 100/day
    tiers:
      any:    {{share: 10%, instance: 4/day, user: 1000/day}}
      small:  {{share: 10%, instance: 10/day, user: 1000/day}}
      large:  {{share: 10%, instance: 1000/day, namespace: 4/day, user: 1000/day}}
  observability:
    capacity: 100/day
    tiers:
      any:
        share: {{share: 10%, shadow: true}}
        instance: {{limit: 4/day, shadow: true}}
        user: {{limit: 2/day, shadow: true}}
      small:  {{share: 10%, instance: {{limit: 4/day, shadow: true}}, user: 3/day}}
      large:  {{share: 20%, instance: 20/day, namespace: {{limit: 4/day, shadow: true}}, user: 1000/day}}
  ai_gateway:
    capacity: 100000/day
    tiers:
      any:    {{share: 20%, instance: 1000/day, user: 1000/day}}
      small:  {{share: 20%, instance: 1000/day, user: 1000/day}}
      large:  {{share: 20%, instance: 1000/day, user: 1000/day}}
    unit_primitives:
      duo_chat:
        tiers:
          any: {{share: 0.01%, instance: 4/day, user: 2/day}}
          small: {{share: {{share: 0.01%, shadow: true}}}}
          large: {{namespace: 3/day}}
exceptions:
- {{limited_instance_id: {RAISED}, reason: nightly imports, backend_services: {{sast: {{instance: 9/day}}}}}}
- {{limited_namespace_id: "{RAISED_NAMESPACE}", reason: many seats, backend_services: {{sast: {{namespace: 9/day}}}}}}
addresses: {{attempts: 100000/day, failed_authentications: 100000/day, refusals: 100000/day}}
embedded: {{expected_callers: {{addresses: 100, users: 1000, instances: 1000, namespaces: 1000}}}}
shared: {{service: "127.0.0.1:8081", timeout: 50ms, on_failure: allow}}
"""


SHADOWED: Final = ("users", "instances", "namespaces", "tiers")


@pytest.fixture(scope="module")
def gate(opener: Opener, engine: Engine) -> Iterator[Gate]:
    with opener(f"{engine}-numbers", LIMITS) as opened:
        yield opened


def test_a_user_is_limited_and_colleagues_are_not(gate: Gate) -> None:
    one = gate.customer()
    assert one.until_refused(SCAN) == (3, "user")
    assert one.colleague().until_refused(SCAN) == (3, "user")
    assert one.until_refused(SCAN) == (0, "user")


def test_an_instance_is_limited_whoever_asks_and_others_are_not(gate: Gate) -> None:
    one, other = gate.customer("small"), gate.customer("small")
    assert one.until_refused(SCAN) == (4, "instance")
    assert one.colleague().until_refused(SCAN) == (0, "instance")
    assert other.until_refused(SCAN) == (4, "instance")


def test_a_tier_as_a_whole_is_limited_and_other_tiers_are_not(gate: Gate) -> None:
    """What instances are refused counts for no other: 4, 4 and 2 are the tier's 10."""
    customers = [gate.customer() for _ in range(4)]
    assert [each.until_refused(WORKFLOWS) for each in customers] == [
        (4, "instance"),
        (4, "instance"),
        (2, "tier"),
        (0, "tier"),
    ]
    assert gate.customer("small").until_refused(WORKFLOWS) == (10, "instance")


def test_what_a_user_is_refused_is_not_taken_from_its_instance(gate: Gate) -> None:
    one = gate.customer("medium")
    assert one.until_refused(SCAN) == (3, "user")
    assert {one.ask(SCAN).status for _ in range(20)} == {429}
    assert one.colleague().until_refused(SCAN) == (3, "user")
    assert one.colleague().until_refused(SCAN) == (0, "instance")


def test_one_backends_limits_are_not_anothers(gate: Gate) -> None:
    one = gate.customer()
    assert one.until_refused(SCAN) == (3, "user")
    assert one.ask(COMPLETIONS).status == 200


def test_a_unit_primitive_has_limits_of_its_own_within_the_backends(gate: Gate) -> None:
    one, other, last = (gate.customer() for _ in range(3))
    assert one.until_refused(CHAT) == (2, "user")
    assert one.colleague().until_refused(CHAT) == (2, "user")
    assert one.colleague().until_refused(CHAT) == (0, "instance")
    assert other.until_refused(CHAT) == (2, "user")
    assert other.colleague().until_refused(CHAT) == (2, "user")
    assert last.until_refused(CHAT) == (2, "user")
    assert last.colleague().until_refused(CHAT) == (0, "unit-primitive")
    for each in (one, other, last):
        assert each.until_refused(COMPLETIONS) == (60, NO_LIMIT)


@pytest.mark.parametrize("tier", ["small", "medium"])
def test_an_exception_raises_one_instance_in_whatever_tier_and_nothing_else(gate: Gate, tier: str) -> None:
    usual = {"small": 4, "medium": 6}[tier]
    raised = replace(gate.customer(tier), instance=RAISED)
    assert _customer_alone(raised) == (9, "instance")
    assert _customer_alone(gate.customer(tier)) == (usual, "instance")


def _customer_alone(customer: Customer) -> tuple[int, str]:
    """Ask as a new user each time."""
    for number in range(20):
        answer = customer.colleague().ask(SCAN)
        if answer.status == 429:
            return number, answer.headers["x-ratelimit-scope"]
    return 20, NO_LIMIT


def _asked_in_shadow(gate: Gate) -> None:
    """20 requests of one user, of which 2 are within the limit of users, 4 of instances and 10 of the tier."""
    one = gate.customer()
    answers = [one.ask(TRACES) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]
    namespace = gate.namespace()
    assert {namespace.ask(TRACES).status for _ in range(6)} == {200}


@EMBEDDED_ONLY
def test_limits_in_shadow_let_through_are_counted_and_are_not_shown(gate: Gate) -> None:
    names = [f"limits_{name}.http_local_rate_limit.shadow_mode" for name in SHADOWED]
    before = [gate.counted(name) for name in names]
    _asked_in_shadow(gate)
    after = [gate.counted(name) for name in names]
    assert [now - then for now, then in zip(after, before, strict=True)] == [18, 16, 2, 10]


@SHARED_ONLY
def test_limits_in_shadow_let_through_are_counted_by_the_service_and_are_not_shown(gate: SharedGate) -> None:
    def counted() -> list[float]:
        metric = "ratelimit_service_rate_limit_shadow_mode"
        return [gate.counting.service.counted(rf'{metric}{{domain="{name}"') for name in SHADOWED]

    _asked_in_shadow(gate)
    # Instances of another tier are in shadow, too, and another test asks for them.
    gate.door.wait_until(
        lambda: all(now >= due for now, due in zip(counted(), (18, 16, 2, 10), strict=True)), "the counts"
    )


def test_a_limit_in_shadow_leaves_those_beside_it_in_force(gate: Gate) -> None:
    one = gate.customer("small")
    assert one.until_refused(TRACES) == (3, "user")
    assert one.colleague().until_refused(TRACES) == (3, "user")
    assert one.colleague().until_refused(TRACES) == (3, "user")


def test_a_unit_primitive_in_shadow_lets_through(gate: Gate) -> None:
    assert gate.customer("small").until_refused(CHAT) == (60, NO_LIMIT)


def test_gitlab_com_has_no_instance_limit_but_its_users_have_theirs(gate: Gate) -> None:
    one = gate.customer(issuer="gitlab-com")
    assert one.until_refused(SCAN) == (3, "user")
    assert _customer_alone(one) == (20, NO_LIMIT)


def test_a_root_namespace_of_gitlab_com_is_limited_whoever_asks_and_others_are_not(gate: Gate) -> None:
    one = gate.namespace()
    other = one.neighbour()
    assert _customer_alone(one) == (5, "namespace")
    assert _customer_alone(other) == (5, "namespace")
    assert _customer_alone(replace(one, namespace="")) == (20, NO_LIMIT)


def test_what_a_user_is_refused_is_not_taken_from_its_namespace(gate: Gate) -> None:
    one = gate.namespace()
    assert one.until_refused(SCAN) == (3, "user")
    assert {one.ask(SCAN).status for _ in range(20)} == {429}
    assert one.colleague().until_refused(SCAN) == (2, "namespace")


def test_what_a_namespace_is_refused_is_not_taken_from_its_tier(gate: Gate) -> None:
    """4, 4 and 2 are the 10 of tier large."""
    found = [gate.namespace().until_refused(WORKFLOWS) for _ in range(4)]
    assert found == [(4, "namespace"), (4, "namespace"), (2, "tier"), (0, "tier")]


def test_a_unit_primitive_may_limit_namespaces_too(gate: Gate) -> None:
    one = gate.namespace()
    assert one.until_refused(CHAT) == (3, "namespace")
    assert one.until_refused(COMPLETIONS) == (60, NO_LIMIT)
    assert one.neighbour().until_refused(CHAT) == (3, "namespace")


def test_an_exception_raises_one_namespace_and_no_instance_of_that_id(gate: Gate) -> None:
    raised = replace(gate.namespace(), namespace=RAISED_NAMESPACE)
    assert _customer_alone(raised) == (9, "namespace")
    assert _customer_alone(replace(gate.customer("small"), instance=RAISED_NAMESPACE)) == (4, "instance")


def test_a_namespace_outside_gitlab_com_has_no_limit(gate: Gate) -> None:
    """Only the tokens of gitlab.com tell root namespaces that are not another instance's."""
    assert _customer_alone(gate.customer().neighbour()) == (20, NO_LIMIT)


def test_realms_do_not_share_buckets_where_their_ids_are_the_same(gate: Gate) -> None:
    one = gate.customer()
    assert one.until_refused(SCAN) == (3, "user")
    assert replace(one, issuer="gitlab-com").until_refused(SCAN) == (3, "user")


def test_whoever_leaves_the_user_out_shares_one_bucket_with_its_customer_alone(gate: Gate) -> None:
    one, other = (replace(gate.customer(), user=None) for _ in range(2))
    named = one.colleague()
    assert named.ask(SCAN).status == 200
    assert one.until_refused(SCAN) == (3, "user")
    assert one.until_refused(SCAN) == (0, "user")
    assert named.until_refused(SCAN) == (2, "user")
    assert other.until_refused(SCAN) == (3, "user")


def test_inventing_users_escapes_neither_instance_nor_tier(gate: Gate) -> None:
    assert _customer_alone(gate.customer("medium")) == (6, "instance")


def test_naming_another_instances_user_spends_nothing_of_it(gate: Gate) -> None:
    victim, thief = gate.customer(), gate.customer()
    assert replace(thief, user=victim.user).until_refused(SCAN) == (3, "user")
    assert victim.until_refused(SCAN) == (3, "user")


def test_a_tier_that_the_limits_leave_out_draws_from_the_default_tiers_buckets(gate: Gate) -> None:
    one = gate.customer("large")
    assert one.until_refused(SCAN) == (3, "user")
    assert replace(one, tier="any").until_refused(SCAN) == (0, "user")
