"""Changes at run time: workers replaced one by one, keys rotated in ADR-002's order, a route edited."""

from collections.abc import Callable

from tests.support.compose.client import Caller, Client
from tests.support.compose.door import WORKERS, Door, docker, until
from tests.support.issuers import PRODUCTION
from tests.support.signing import key

ISSUER = "customers-dot"
HOST = 'domains: ["*"]'


def test_workers_are_replaced_one_by_one_and_no_request_fails(
    door: Door, client: Client, customer: Caller, note: Callable[[str], None]
) -> None:
    with client.steady_load(customer) as answered:
        for worker in door.workers():
            already = answered["200"]
            door.end_worker(worker)
            until(lambda gone=worker: is_replaced(door, gone), "the worker is replaced and in the endpoints file")  # type: ignore[misc]
            until(lambda floor=already: answered["200"] > floor, "requests are allowed meanwhile")  # type: ignore[misc]
    assert set(answered) == {"200"}, dict(answered)
    note(f"rolling restart of {WORKERS} workers under load: {answered['200']} requests, none failed")


def test_a_key_is_rotated_without_a_restart_and_no_request_fails(door: Door, client: Client, customer: Caller) -> None:
    old, new = PRODUCTION[ISSUER].key, key(f"{ISSUER}-2", "RS256")
    started, workers = start_times(door), door.workers()

    def is_allowed(signer: str) -> bool:
        signing = {"old": old, "new": new}[signer]
        return (
            bearing(client, customer, client.mint.token(ISSUER, stated(customer), {"kid": signing.kid}, signing)) == 200
        )

    assert is_allowed("old")
    assert not is_allowed("new")
    try:
        with client.steady_load(customer) as answered:
            door.put_keys({ISSUER: [old, new]})
            until(lambda: is_allowed("new"), "the new key is trusted")
            assert is_allowed("old")
        assert set(answered) == {"200"}, dict(answered)
        door.put_keys({ISSUER: [new]})
        until(lambda: not is_allowed("old"), "the old key is not trusted any more, even for a cached token")
        assert is_allowed("new")
        assert (start_times(door), door.workers()) == (started, workers)
    finally:
        door.put_keys({ISSUER: [old]})
        until(lambda: is_allowed("old"), "the old key is trusted again")


def test_a_route_is_edited_without_a_restart(door: Door, client: Client, customer: Caller) -> None:
    started = start_times(door)
    assert "x-edited" not in client.ask(customer).headers
    with client.steady_load(customer) as answered:
        header = "response_headers_to_add: [{header: {key: x-edited, value: once}}]"
        door.edit_routes(HOST, f"{HOST}\n    {header}")
        until(lambda: client.ask(customer).headers.get("x-edited") == "once", "Envoy took the edited routes")
    assert set(answered) == {"200"}, dict(answered)
    assert start_times(door) == started


def is_replaced(door: Door, worker: int) -> bool:
    """Whether another worker has replaced it and is in the endpoints file."""
    workers = door.workers()
    return worker not in workers and len(workers) == WORKERS == door.endpoints()


def start_times(door: Door) -> set[str]:
    """Return the start time of each container."""
    return {
        docker("inspect", "--format", "{{.Name}} {{.State.StartedAt}}", each.id) for each in door.stack.containers()
    }


def stated(caller: Caller) -> dict[str, object]:
    """Return the claims of that caller's token."""
    return {**caller.claims(), "scopes": ["complete_code"]}


def bearing(client: Client, caller: Caller, token: str) -> int:
    """Return the status of a request with that token."""
    return client.ask(caller, overrides={"authorization": f"Bearer {token}"}).status
