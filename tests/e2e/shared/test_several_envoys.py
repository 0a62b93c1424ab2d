"""Several Envoys share one count, and what is edited reaches it without a restart."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from dev.envoy.apply import apply
from dev.envoy.files import EnvoyFiles
from dev.ratelimit.service import LimitsRefusedError, as_enforced
from tests.e2e.test_limits_numbers import LIMITS
from tests.support.e2e.customer import COMPLETIONS, SCAN, WORKFLOWS, Customer
from tests.support.e2e.limited import render_limits
from tests.support.e2e.processes import edit
from tests.support.shared.gate import SharedGate, SharedGates, patient

pytestmark = pytest.mark.shared

USER: Final = "any:    {share: 20%, instance: 1000/day, namespace: 5/day, user: 3/day}"


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    with gates.open("shared-first", LIMITS) as opened:
        yield opened


@pytest.fixture(scope="module")
def second(gate: SharedGate) -> Iterator[SharedGate]:
    with gate.another("shared-second") as opened:
        yield opened


def at(gate: SharedGate, customer: Customer) -> Customer:
    """The same customer, at that Envoy."""
    return replace(customer, client=gate.client)


def test_a_user_has_one_count_at_two_envoys(gate: SharedGate, second: SharedGate) -> None:
    one = gate.customer()
    answers = [at(envoy, one).ask(SCAN) for envoy in (gate, second, gate)]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0"]
    assert [at(envoy, one).ask(SCAN).headers["x-ratelimit-scope"] for envoy in (second, gate)] == ["user"] * 2


def test_an_instance_has_one_count_at_two_envoys(gate: SharedGate, second: SharedGate) -> None:
    one = gate.customer("small")
    assert [at(envoy, one).ask(SCAN).status for envoy in (gate, second, gate, second)] == [200] * 4
    assert [at(envoy, one).ask(SCAN).headers["x-ratelimit-scope"] for envoy in (second, gate)] == ["instance"] * 2


def test_a_root_namespace_has_one_count_at_two_envoys(gate: SharedGate, second: SharedGate) -> None:
    one = gate.namespace()
    users = [at(envoy, one.colleague()) for envoy in (gate, second, gate, second, gate)]
    assert [user.ask(SCAN).status for user in users] == [200] * 5
    assert at(second, one.colleague()).ask(SCAN).headers["x-ratelimit-scope"] == "namespace"


def test_a_tier_has_one_count_at_two_envoys(gate: SharedGate, second: SharedGate) -> None:
    customers = [at(envoy, envoy.customer()) for envoy in (gate, second, gate, second)]
    refused = [each.until_refused(WORKFLOWS) for each in customers]
    assert refused == [(4, "instance"), (4, "instance"), (2, "tier"), (0, "tier")]


def test_a_restarted_service_goes_on_counting_where_it_was(gate: SharedGate, second: SharedGate) -> None:
    one = gate.customer()
    assert one.ask(SCAN).status == 200
    gate.counting.ratelimit.kill()
    gate.counting.ratelimit.come_back()
    for envoy in (gate, second):
        envoy.door.wait_until(lambda envoy=envoy: _counts(envoy), "the service, as Envoy sees it")  # type: ignore[misc]
    assert at(second, one).until_refused(SCAN) == (2, "user")


def _counts(gate: SharedGate) -> bool:
    return "x-ratelimit-limit" in gate.customer().ask(COMPLETIONS).headers


def edited(gate: SharedGate, old: str, new: str) -> EnvoyFiles:
    """Edit a number of what this Envoy was started with, and render it."""
    text = (gate.files.folder / "limits.yaml").read_text("utf-8")
    return patient(render_limits(gate.files.folder.parent, text, [(old, new)]))


def test_an_edited_number_is_in_force_at_once_and_what_was_counted_goes_on(
    gate: SharedGate, second: SharedGate
) -> None:
    one = gate.customer()
    assert one.until_refused(SCAN) == (3, "user")
    users = gate.envoy.files.service_folder / "users.yaml"
    lines = list(apply(edited(gate, USER, USER.replace("3/day", "9/day")), gate.envoy.files, gate.ports))
    try:
        assert lines == [f"{users}: the rate limit service enforces it now; its counts are kept"]
        assert as_enforced(users) <= gate.counting.service.enforced()
        assert at(second, one).until_refused(SCAN) == (5, "user")  # 3, and the one that was refused
    finally:
        list(apply(edited(gate, USER.replace("3/day", "9/day"), USER), gate.envoy.files, gate.ports))
    assert gate.customer().until_refused(SCAN) == (3, "user")


def test_apply_without_an_edit_says_so(gate: SharedGate) -> None:
    assert list(apply(gate.files, gate.envoy.files, gate.ports)) == [f"{gate.envoy.files.folder}: nothing to apply"]


def test_limits_that_the_service_would_refuse_are_not_applied(gate: SharedGate) -> None:
    running = gate.envoy.files
    good = (running.service_folder / "tiers.yaml").read_text("utf-8")
    broken = gate.files.service_folder / "tiers.yaml"
    edit(broken, [("unit: day", "unit: fortnight")])
    try:
        with pytest.raises(LimitsRefusedError, match="invalid rate limit unit 'fortnight'"):
            list(apply(gate.files, running, gate.ports))
    finally:
        broken.write_text(good, "utf-8")
    assert (running.service_folder / "tiers.yaml").read_text("utf-8") == good
    assert gate.customer().until_refused(SCAN) == (3, "user")
