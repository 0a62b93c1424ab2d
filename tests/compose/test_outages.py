"""While a part is down requests get defined answers, and the stack recovers without help."""

import uuid
from dataclasses import replace

from tests.compose.test_limits import PER_USER
from tests.support.compose.client import Caller, Client
from tests.support.compose.door import Door, docker, until


def test_without_authz_every_request_is_refused_until_it_is_back(door: Door, client: Client, customer: Caller) -> None:
    assert client.ask(customer).status == 200
    before = seen_by_backend(door)
    docker("kill", door.container("authz").id)
    answers = [client.ask(customer) for _ in range(20)]
    assert {(each.status, each.json()["reason"]) for each in answers} == {(503, "not_ready")}
    assert seen_by_backend(door) == before
    docker("start", door.container("authz").id)
    until(lambda: client.ask(customer).status == 200, "authz allows requests again")


def test_without_redis_requests_pass_and_are_counted_again_once_it_is_back(
    door: Door, client: Client, caller: Caller
) -> None:
    for _ in range(PER_USER):
        assert client.ask(caller).status == 200
    assert client.ask(caller).status == 429
    docker("kill", door.container("redis").id)
    assert {client.ask(caller).status for _ in range(20)} == {200}
    docker("start", door.container("redis").id)
    until(lambda: is_limited_again(client, caller), "limits are enforced again")


def is_limited_again(client: Client, caller: Caller) -> bool:
    """Whether a new instance reaches its limit."""
    instance = replace(caller, instance=str(uuid.uuid4()))
    return [client.ask(instance).status for _ in range(PER_USER + 1)] == [200] * PER_USER + [429]


def seen_by_backend(door: Door) -> int:
    """Return how many requests the AI gateway has seen."""
    program = (
        "import json, urllib.request as r; print(json.load(r.urlopen('http://127.0.0.1:8080/health'))['requests'])"
    )
    return int(door.execute("ai-gateway", "python3", "-c", program))
