"""Limits by client address, before authz: every attempt counts, the address is the trusted one, networks are exempt."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.e2e.customer import COMPLETIONS, NO_LIMIT, until_refused
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import WIDE, Gate, open_gate
from tests.support.e2e.processes import get

ATTEMPTS: Final = "attempts: 1000000/second"
NETWORKS: Final = "exempt: [127.0.0.1/32, 198.51.100.0/28, 2001:db8:ffff::/48]"
FOUR: Final = (ATTEMPTS, f"attempts: 4/day\n  {NETWORKS}")
PROXY: Final = ("xff_num_trusted_hops: 0", "xff_num_trusted_hops: 1")


@pytest.fixture(scope="module")
def gate(door: Door) -> Iterator[Gate]:
    """Behind a proxy that says who the client is."""
    with open_gate(door, "addresses", WIDE, [FOUR], (PROXY,)) as opened:
        yield opened


@pytest.fixture(scope="module")
def bare(door: Door) -> Iterator[Gate]:
    """Without a proxy."""
    with open_gate(door, "bare", WIDE, [FOUR]) as opened:
        yield opened


def good(gate: Gate, address: str) -> Answer:
    return gate.customer().ask(COMPLETIONS, headers={"x-forwarded-for": address})


def bad(gate: Gate, address: str) -> Answer:
    return gate.client.ask("POST", COMPLETIONS.path, headers={"x-forwarded-for": address})


def test_an_address_that_tries_too_often_is_limited_and_others_are_not(gate: Gate) -> None:
    assert [bad(gate, "192.0.2.1").status for _ in range(7)] == [401] * 4 + [429] * 3
    assert good(gate, "192.0.2.1").status == 429
    assert good(gate, "192.0.2.2").status == 200


def test_good_requests_are_attempts_too(gate: Gate) -> None:
    assert until_refused(lambda: good(gate, "192.0.2.3")) == (4, "address")


def test_what_no_route_serves_is_an_attempt_too(gate: Gate) -> None:
    nowhere = [gate.client.ask("GET", "/nowhere", headers={"x-forwarded-for": "192.0.2.4"}) for _ in range(6)]
    assert [answer.status for answer in nowhere] == [404] * 4 + [429] * 2


def test_authz_is_not_asked_about_what_its_address_was_refused(gate: Gate) -> None:
    with gate.door.no_request_at_backends():
        answers = [bad(gate, "192.0.2.5") for _ in range(5)]
    line = gate.log_line(answers[-1].request_id)
    assert (line["client"], line["limit"], line["authz_us"], line["outcome"]) == ("192.0.2.5", "address", None, None)


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8:ffff:1::7"])
def test_an_exempt_network_is_not_limited(gate: Gate, address: str) -> None:
    assert {bad(gate, address).status for _ in range(30)} == {401}


@pytest.mark.parametrize("address", ["198.51.100.16", "2001:db8:fffe::1"])
def test_beside_an_exempt_network_limits_hold(gate: Gate, address: str) -> None:
    assert until_refused(lambda: good(gate, address)) == (4, "address")


def test_addresses_of_one_64_share_a_bucket(gate: Gate) -> None:
    """Who has a /64, as every customer does, has 2 ** 64 addresses to try from."""
    tried = [bad(gate, f"2001:db8:1:2:{number}::1").status for number in range(1, 8)]
    assert tried == [401] * 4 + [429] * 3
    assert bad(gate, "2001:db8:1:3::1").status == 401


def test_load_balancers_are_never_limited(gate: Gate) -> None:
    assert {get(gate.envoy.plain, "/-/health").status for _ in range(20)} == {200}


def test_without_a_proxy_what_clients_say_of_their_address_is_fiction(bare: Gate) -> None:
    def claiming(address: str) -> Answer:
        return bare.customer().ask(COMPLETIONS, headers={"x-forwarded-for": address}, source="127.0.0.3")

    assert until_refused(lambda: claiming("198.51.100.7")) == (4, "address")
    assert claiming("192.0.2.9").status == 429
    assert bare.customer().ask(COMPLETIONS, source="127.0.0.4").status == 200
    assert {bare.customer().ask(COMPLETIONS).status for _ in range(20)} == {200}


def test_attempts_in_shadow_let_through_and_are_counted(door: Door) -> None:
    shadow = (ATTEMPTS, "attempts: {limit: 4/day, shadow: true}")
    with open_gate(door, "addresses-shadow", WIDE, [shadow]) as gate:
        assert until_refused(lambda: gate.customer().ask(COMPLETIONS), 20) == (20, NO_LIMIT)
        assert gate.counted(r"limits_addresses\.http_local_rate_limit\.shadow_mode") == 16
