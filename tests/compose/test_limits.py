"""Every kind of limit, on the real rate limit service with Redis. The numbers are in limits.yaml beside this file."""

from dataclasses import replace
from typing import Final

from tests.compose.conftest import ContainerClients
from tests.support.compose.client import Caller, Client
from tests.support.compose.door import Door
from tests.support.e2e.http_client import Answer

PER_USER, PER_INSTANCE, PER_TIER, PER_UNIT_PRIMITIVE, SHADOWED = 3, 6, 4, 2, 2
EXCEPTION, PER_EXCEPTION = "11111111-2222-4333-8444-555555555555", 9
FAILURES, REFUSALS = 3, 6
CHAT: Final = "/ai/v2/chat/agent"


def limited(answer: Answer, scope: str) -> bool:
    """Whether this limit refused the request, by the answer."""
    named = (answer.json()["reason"], answer.headers["x-ratelimit-scope"])
    return answer.status == 429 and named == ("rate_limited", scope) and int(answer.headers["retry-after"]) >= 1


def statuses(*answers: Answer) -> list[int]:
    """Return the statuses of the answers."""
    return [answer.status for answer in answers]


def test_a_users_limit_does_not_affect_others_of_the_instance(client: Client, caller: Caller) -> None:
    assert statuses(*(client.ask(caller) for _ in range(PER_USER))) == [200] * PER_USER
    assert limited(client.ask(caller), "user")
    assert client.ask(caller.another_user("another")).status == 200


def test_an_instances_limit_does_not_affect_other_instances(client: Client, caller: Caller, customer: Caller) -> None:
    users = (caller.another_user(f"user-{number}") for number in range(PER_INSTANCE))
    assert statuses(*map(client.ask, users)) == [200] * PER_INSTANCE
    assert limited(client.ask(caller.another_user("one-more")), "instance")
    assert client.ask(replace(customer, seats=0)).status == 200


def test_an_exception_raises_one_instance(client: Client, caller: Caller) -> None:
    raised = replace(caller, instance=EXCEPTION)
    users = (raised.another_user(f"user-{number}") for number in range(PER_EXCEPTION))
    assert statuses(*map(client.ask, users)) == [200] * PER_EXCEPTION
    assert limited(client.ask(raised.another_user("one-more")), "instance")


def test_a_tiers_share_does_not_affect_other_tiers(client: Client, caller: Caller, customer: Caller) -> None:
    asked = ("/sast/scan", ("security_scans",))
    everyone = (replace(caller, instance=f"{caller.instance}-{number}") for number in range(PER_TIER))
    assert statuses(*(client.ask(each, *asked) for each in everyone)) == [200] * PER_TIER
    assert limited(client.ask(replace(caller, instance=f"{caller.instance}-late"), *asked), "tier")
    assert client.ask(customer, *asked).status == 200


def test_a_unit_primitives_limit_does_not_affect_others(client: Client, caller: Caller) -> None:
    small = replace(caller, seats=5)
    asked = (CHAT, ("duo_chat",))
    assert statuses(*(client.ask(small, *asked) for _ in range(PER_UNIT_PRIMITIVE))) == [200] * PER_UNIT_PRIMITIVE
    assert limited(client.ask(small, *asked), "user")
    assert client.ask(small).status == 200


def test_a_limit_in_shadow_mode_refuses_no_request(client: Client, caller: Caller) -> None:
    asked = ("/duo-workflow/v1/workflows", ("duo_workflow_execute_workflow",))
    answers = [client.ask(caller, *asked) for _ in range(SHADOWED + 2)]
    assert statuses(*answers) == [200] * len(answers)


def test_an_address_that_keeps_failing_is_limited_and_others_are_not(
    client: Client, customer: Caller, other_clients: ContainerClients
) -> None:
    guessing, honest = other_clients.another(), other_clients.another()
    # A failure is counted after its answer, so one more request than the limit passes.
    assert statuses(*(guessing.ask(customer, scopes=None) for _ in range(FAILURES + 1))) == [401] * (FAILURES + 1)
    assert limited(guessing.ask(customer), "address")
    assert honest.ask(customer).status == 200
    assert client.ask(customer).status == 200


def test_an_address_that_keeps_being_refused_is_limited(customer: Caller, other_clients: ContainerClients) -> None:
    probing = other_clients.another()
    refused = [probing.ask(customer, scopes=("duo_chat",)) for _ in range(REFUSALS + 1)]
    assert statuses(*refused) == [403] * (REFUSALS + 1)
    assert limited(probing.ask(customer), "address")


def test_an_exempt_address_is_not_limited(client: Client, customer: Caller) -> None:
    for _ in range(FAILURES + 2):
        assert client.ask(customer, scopes=None).status == 401
    assert client.ask(customer).status == 200


def test_two_envoys_share_one_count(door: Door, client: Client, caller: Caller) -> None:
    first, second = (replace(client, port=port) for port in door.ports())
    assert statuses(first.ask(caller), second.ask(caller), first.ask(caller)) == [200] * PER_USER
    assert limited(second.ask(caller), "user")
    assert limited(first.ask(caller), "user")
