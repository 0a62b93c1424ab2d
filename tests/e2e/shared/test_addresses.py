"""Limits by client address count failures and refusals: one more than the limit gets through.

They are charged when an answer has gone out, so the tests wait for that before they go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import pytest

from tests.e2e.test_limits_numbers import LIMITS as NUMBERS
from tests.support.e2e.customer import COMPLETIONS, SCAN
from tests.support.e2e.http_client import Answer
from tests.support.shared.gate import SharedGate, SharedGates

pytestmark = pytest.mark.shared

EXEMPT: Final = "['127.0.3.0/24', '198.51.100.0/28', '2001:db8:ffff::/48']"
ADDRESSES: Final = (
    "failed_authentications: 100000/day, refusals: 100000/day",
    f"failed_authentications: 3/day, refusals: 6/day, exempt: {EXEMPT}",
)
PROXY: Final = ("xff_num_trusted_hops: 0", "xff_num_trusted_hops: 1")


@pytest.fixture(scope="module")
def gate(gates: SharedGates) -> Iterator[SharedGate]:
    """Without a proxy: the client is the one that connected."""
    with gates.open("shared-addresses", NUMBERS, [ADDRESSES]) as opened:
        yield opened


@pytest.fixture(scope="module")
def proxied(gate: SharedGate) -> Iterator[SharedGate]:
    """Behind a proxy that says who the client is, with the same service."""
    with gate.another("shared-addresses-proxied", (PROXY,)) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Client:
    """A client at an address of this machine, or behind a proxy at any; `network` is what Redis calls it."""

    gate: SharedGate
    address: str
    behind_proxy: bool = False
    network: str = ""

    def fails(self) -> Answer:
        """Ask without a token."""
        return self._ask_and_wait("auth_outcome_failed", None)

    def is_refused(self) -> Answer:
        """Ask with a good token for something else."""
        return self._ask_and_wait("outcome_denied", "duo_chat")

    def asks(self) -> Answer:
        """Ask with the right token."""
        return self._ask("security_scans")

    def charged(self, key: str) -> int:
        """What is counted against it."""
        return self.gate.counting.charged(f"addresses_{key}_exempt_no_masked_remote_address_{self._network()}_*")

    def _ask_and_wait(self, key: str, unit_primitive: str | None) -> Answer:
        before = self.charged(key)
        answer = self._ask(unit_primitive)
        if answer.status != 429:
            self.gate.door.wait_until(lambda: self.charged(key) == before + 1, "a charge")
        return answer

    def _ask(self, unit_primitive: str | None) -> Answer:
        headers: dict[str, str | None] = {"x-forwarded-for": self.address} if self.behind_proxy else {}
        source = "" if self.behind_proxy else self.address
        if unit_primitive is None:
            return self.gate.client.ask("POST", SCAN.path, headers=headers, source=source)
        asked = replace(SCAN, unit_primitive=unit_primitive)
        return self.gate.customer().ask(asked, headers, source)

    def _network(self) -> str:
        return self.network or f"{self.address}/32"


def test_failed_authentications_lock_their_address_out_one_after_the_limit(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.1")
    assert [client.fails().status for _ in range(4)] == [401] * 4
    with gate.door.no_request_at_backends():
        assert [client.fails().status for _ in range(3)] == [429] * 3
        assert client.asks().status == 429
    assert client.charged("auth_outcome_failed") == 4


def test_a_locked_out_address_is_no_other_addresss_concern(gate: SharedGate) -> None:
    attacker, neighbour = Client(gate, "127.0.1.2"), Client(gate, "127.0.1.3")
    assert [attacker.fails().status for _ in range(5)] == [401] * 4 + [429]
    assert neighbour.asks().status == 200
    assert neighbour.fails().status == 401


def test_refusals_lock_out_later_and_one_after_their_limit(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.4")
    assert [client.is_refused().status for _ in range(8)] == [403] * 7 + [429]
    assert client.charged("auth_outcome_failed") == 0


def test_a_failed_authentication_is_a_refusal_too(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.5")
    assert [client.fails().status for _ in range(3)] == [401] * 3
    assert [client.is_refused().status for _ in range(4)] == [403] * 4
    assert client.is_refused().status == 429


def test_good_requests_are_charged_nothing(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.6")
    assert {client.asks().status for _ in range(20)} == {200}
    assert client.fails().status == 401  # the charges of those before it would be here now
    assert client.charged("*") == 2
    assert (client.charged("auth_outcome_failed"), client.charged("outcome_denied")) == (1, 1)


def test_what_other_limits_refuse_is_charged_to_no_address(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.7")
    one = gate.customer()
    answers = [one.ask(SCAN, source=client.address).status for _ in range(20)]
    assert answers == [200] * 3 + [429] * 17
    assert client.fails().status == 401  # the charges of those before it would be here now
    assert client.charged("outcome_denied") == 1


def test_authz_is_not_asked_about_what_its_address_was_refused(gate: SharedGate) -> None:
    client = Client(gate, "127.0.1.8")
    for _ in range(4):
        client.fails()
    answer = client.asks()
    line = gate.log_line(answer.request_id)
    assert (line["client"], line["limit"], line["authz_us"], line["outcome"]) == (client.address, "address", None, None)


def test_an_exempt_client_is_not_limited(gate: SharedGate) -> None:
    exempt = [gate.client.ask("POST", COMPLETIONS.path, source="127.0.3.9").status for _ in range(20)]
    assert exempt == [401] * 20
    assert gate.counting.charged("addresses_*_127.0.3.9/32_*") == 0


def test_beside_an_exempt_network_limits_hold(gate: SharedGate) -> None:
    client = Client(gate, "127.0.4.0")
    assert [client.fails().status for _ in range(5)] == [401] * 4 + [429]


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8:ffff:1::7"])
def test_an_exempt_network_is_not_limited_behind_a_proxy(proxied: SharedGate, address: str) -> None:
    answers = [proxied.client.ask("POST", SCAN.path, headers={"x-forwarded-for": address}) for _ in range(20)]
    assert {answer.status for answer in answers} == {401}


def test_addresses_of_one_64_share_one_count(proxied: SharedGate) -> None:
    """Who has a /64, as every customer does, has 2 ** 64 addresses to try from."""
    network = "2001:db8:1:2::/64"
    clients = [Client(proxied, f"2001:db8:1:2:{number}::1", behind_proxy=True, network=network) for number in range(5)]
    assert [client.fails().status for client in clients] == [401] * 4 + [429]
    other = Client(proxied, "2001:db8:1:3::1", behind_proxy=True, network="2001:db8:1:3::/64")
    assert other.fails().status == 401


def test_one_address_has_one_count_at_every_envoy(gate: SharedGate, proxied: SharedGate) -> None:
    here, there = Client(gate, "127.0.1.9"), Client(proxied, "127.0.1.9", behind_proxy=True)
    assert [client.fails().status for client in (here, there, here, there)] == [401] * 4
    assert (here.fails().status, there.fails().status) == (429, 429)
