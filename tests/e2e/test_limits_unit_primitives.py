"""A limit of a unit primitive counts whatever request is for it, whichever endpoint and in whatever company.

Beside the shipped policy stands one of a service that was updated first: it has a tier that the limits do not know, and
rules that answer with several unit primitives.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.test_endpoints import EVERY_SCOPE, SCOPED
from tests.support.e2e.customer import COMPLETIONS, Customer, Feature
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import Answer
from tests.support.e2e.limited import Gate, open_gate
from tests.support.e2e.processes import Service
from tests.support.e2e.stub_authz import bootstrap_edits
from tests.support.repository import ROOT
from tests.support.upstream import Call

DATA: Final = ROOT / "authz" / "data"
TOGETHER: Final = "/ai/v9/together"
THREE: Final = ["complete_code", "duo_chat", "explain_code"]
ONE_OF: Final = "/ai/v9/one_of"
HUGE: Final = 5000


def combinations() -> dict[str, set[tuple[str, ...]]]:
    """What a shipped rule can answer with, by backend."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for file in sorted((DATA / "rules").glob("*.yml")):
        document = yaml.safe_load(file.read_text("utf-8"))
        for rule in document["rules"]:
            several = demanded(rule.get("unit_primitives", []))
            found.setdefault(document["backend_service"], set()).update(filter(None, several))
    return found


def demanded(form: Any) -> Iterator[tuple[str, ...]]:  # Any: YAML as it is written
    """Yield what one rule, or one value of its path or header, can answer with."""
    match form:
        case {"values": values}:
            for each in values.values():
                yield from demanded(each)
        case {"allowed": names} | {"any_of": names}:
            yield from ((name,) for name in names)
        case names:
            yield tuple(names)


COMBINATIONS: Final = combinations()
BY_BACKEND: Final = {
    backend: sorted({name for names in all_ for name in names}) for backend, all_ in COMBINATIONS.items()
}


def limits() -> str:
    """Every unit primitive that a rule can answer with has a limit of its own: a user may ask once a day."""
    backends = {
        backend: {
            "capacity": "100000/day",
            "tiers": {"any": {"share": "10%", "instance": "1000/day", "user": "1000/day"}},
            "unit_primitives": {
                **{name: {"tiers": {"any": {"user": "1/day"}}} for name in names},
                names[0]: {"tiers": {"any": {"user": "1/day", "share": "5%"}}},
            },
        }
        for backend, names in BY_BACKEND.items()
    }
    attempts = dict.fromkeys(("attempts", "failed_authentications", "refusals"), "100000/second")
    callers = dict.fromkeys(("addresses", "users", "instances"), 1000)
    shared = {"service": "127.0.0.1:8081", "timeout": "50ms", "on_failure": "allow"}
    engines = {"embedded": {"expected_callers": callers}, "shared": shared}
    return yaml.safe_dump({"backend_services": backends, "addresses": attempts, **engines})


@pytest.fixture(scope="module")
def newer_authz(door: Door) -> Iterator[Service]:
    """A service with another policy than the limits were rendered for."""
    folder = door.folder / "newer"
    (folder / "run" / "authz").mkdir(parents=True)
    shutil.copytree(door.folder / "run" / "keys", folder / "run" / "keys")
    shutil.copytree(DATA, folder / "policy")
    with (folder / "policy" / "tiers.yml").open("a", encoding="utf-8") as tiers:
        tiers.write(f"  - {{name: huge, min_seats: {HUGE}}}\n")
    (folder / "policy" / "rules" / "several.yml").write_text(
        f"""\
backend_service: ai_gateway
prefix: /ai/v9
rules:
- {{path: /together, methods: [POST], unit_primitives: [{", ".join(THREE)}]}}
- {{path: /one_of, methods: [POST], unit_primitives: {{any_of: [{", ".join(THREE)}]}}}}
""",
        "utf-8",
    )
    service = Service(folder, folder / "policy")
    service.start()
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def gate(door: Door, newer_authz: Service) -> Iterator[Gate]:
    socket = newer_authz.folder / "run" / "authz" / "0.sock"
    with open_gate(door, "units", limits(), edits=bootstrap_edits(socket)) as opened:
        yield opened


def ask(
    customer: Customer, path: str, scopes: Sequence[str], method: str = "POST", more: Mapping[str, str] | None = None
) -> Answer:
    headers = customer.headers({**(more or {})})
    return customer.client.ask(method, path, scopes, claims=customer.claims, headers=headers)


def scopes_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.headers.get("x-ratelimit-scope", "")


def test_every_endpoint_counts_for_its_unit_primitive(gate: Gate) -> None:
    def twice(call: Call, scope: str) -> list[tuple[int, str]]:
        one = gate.customer()
        return [scopes_of(ask(one, call.path, [scope], call.method, call.headers)) for _ in range(2)]

    every = [(call, scope) for call in SCOPED for scope in call.any_of]
    assert {scope for _, scope in every} == {name for names in BY_BACKEND.values() for name in names}
    assert [(str(call), scope) for call, scope in every if twice(call, scope) != [(200, ""), (429, "user")]] == []


@pytest.mark.parametrize("path", [Feature("/ai/v2/chat/agent", "duo_chat"), COMPLETIONS], ids=lambda each: each.path)
def test_a_request_for_several_counts_for_each_of_them(gate: Gate, path: Feature) -> None:
    one, other = gate.customer(), gate.customer()
    answer = ask(one, TOGETHER, THREE)
    assert answer.echoed()["x-gitlab-authorized-unit-primitive"] == ",".join(THREE)
    assert scopes_of(one.ask(path)) == (429, "user")
    assert other.ask(path).status == 200
    assert scopes_of(ask(other, TOGETHER, THREE)) == (429, "user")


@pytest.mark.parametrize("held", THREE)
def test_a_request_for_one_of_several_counts_for_that_one_alone(gate: Gate, held: str) -> None:
    one = gate.customer()
    assert ask(one, ONE_OF, [held]).status == 200
    found = {name: ask(one, ONE_OF, [name]).status for name in THREE}
    assert found == {name: 429 if name == held else 200 for name in THREE}


def test_a_tier_that_the_limits_have_never_heard_of_draws_from_the_default_tiers_buckets(gate: Gate) -> None:
    one = gate.customer()
    claims = {**one.claims, "duo_seat_count": str(HUGE)}
    unknown = gate.client.ask("POST", COMPLETIONS.path, ["complete_code"], claims=claims, headers=one.headers())
    assert unknown.status == 200
    assert unknown.headers["x-ratelimit-limit"] == "1"
    assert gate.log_line(unknown.request_id)["tier"] == "huge"
    assert scopes_of(one.ask(COMPLETIONS)) == (429, "user")


@pytest.fixture(scope="module")
def matchers(gate: Gate) -> dict[str, re.Pattern[str]]:
    """What was rendered: by unit primitive, which values of the header count."""
    document = yaml.safe_load((gate.envoy.files.rendered / "users.yaml").read_text("utf-8"))
    actions = [
        action["header_value_match"]
        for entry in document["resources"][0]["typed_config"]["rate_limits"]
        for action in entry["actions"]
        if "header_value_match" in action
    ]
    return {
        each["descriptor_value"]: re.compile(each["headers"][0]["string_match"]["safe_regex"]["regex"])
        for each in actions
    }


def counted(matchers: dict[str, re.Pattern[str]], names: Sequence[str]) -> set[str]:
    return {unit for unit, regex in matchers.items() if regex.fullmatch(",".join(names))}


def test_every_combination_of_a_shipped_rule_counts_for_its_members_alone(matchers: dict[str, re.Pattern[str]]) -> None:
    several = [names for each in COMBINATIONS.values() for names in each]
    assert several
    for names in several:
        assert counted(matchers, names) == set(names)


@given(names=st.lists(st.sampled_from(EVERY_SCOPE), unique=True))
def test_any_combination_counts_for_its_members_alone(matchers: dict[str, re.Pattern[str]], names: list[str]) -> None:
    assert counted(matchers, names) == set(names) & matchers.keys()
