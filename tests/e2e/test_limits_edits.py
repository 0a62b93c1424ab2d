"""A number is edited: it takes effect without a restart, or the old one stays in force; no fault lets a request in."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml

from dev.envoy.__main__ import main
from dev.envoy.files import EnvoyFiles, render
from dev.envoy.files import replace as move
from tests.support.e2e.customer import COMPLETIONS, SCAN, Customer
from tests.support.e2e.door import Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.limited import WIDE, Gate, open_gate, with_limits
from tests.support.e2e.processes import edit, get
from tests.support.minting import Minter

SAST: Final = "sast: {capacity: 4000000/second, tiers: {any: *tier, small: *tier, medium: *tier, large: *tier}}"
LIMITED: Final = "sast: {capacity: 400/day, tiers: {any: {share: 25%, instance: 5/day, user: 3/day}}}"
REFUSED: Final = r"http_filter\.limits_users\.(config_fail|update_rejected|update_failure)"


@pytest.fixture(scope="module")
def gate(door: Door) -> Iterator[Gate]:
    with open_gate(door, "edits", WIDE, [(SAST, LIMITED)]) as opened:
        yield opened


@pytest.fixture
def edited(gate: Gate, tmp_path: Path) -> EnvoyFiles:
    """A folder to edit, as it runs."""
    files = EnvoyFiles(tmp_path / "envoy")
    render(gate.envoy.files, files)
    (files.folder / "limits.yaml").write_text(WIDE.replace(SAST, LIMITED), "utf-8")
    return files


def applied(gate: Gate, files: EnvoyFiles, old: str, new: str) -> int:
    """Edit a number, `make apply`."""
    limits = files.folder / "limits.yaml"
    text = limits.read_text("utf-8")
    assert old in text
    limits.write_text(text.replace(old, new), "utf-8")
    return main(["apply", str(files.folder), "--to", str(gate.envoy.files.folder)])


def refused(customer: Customer) -> tuple[int, str]:
    return customer.until_refused(SCAN)


def test_an_edited_number_takes_effect_without_a_restart_and_apply_says_so(
    gate: Gate, edited: EnvoyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    one = gate.customer()
    assert refused(one) == (3, "user")
    assert applied(gate, edited, "user: 3/day", "user: 4/day") == 0
    users = gate.envoy.files.rendered / "users.yaml"
    assert capsys.readouterr().out == f"{users}: Envoy uses it now; these limits count from zero again\n"
    assert gate.envoy.child.exit_code() is None
    assert refused(gate.customer()) == (4, "user")
    # What the instance has used is counted in another file, and stays: 3 of 5.
    assert refused(one) == (2, "instance")
    assert applied(gate, edited, "user: 4/day", "user: 3/day") == 0
    assert refused(gate.customer()) == (3, "user")


def test_envoy_tells_the_version_that_it_runs(gate: Gate, edited: EnvoyFiles) -> None:
    assert applied(gate, edited, "user: 3/day", "user: 2/day") == 0
    running = yaml.safe_load((gate.envoy.files.rendered / "users.yaml").read_text("utf-8"))
    dumped = get(gate.envoy.admin.port, "/config_dump?resource=ecds_filters").body
    versions = {each["ecds_filter"]["name"]: each["version_info"] for each in json.loads(dumped)["configs"]}
    assert versions["limits_users"] == running["version_info"]
    assert applied(gate, edited, "user: 2/day", "user: 3/day") == 0


def test_apply_passes_over_what_counts_as_before(
    gate: Gate, edited: EnvoyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenth of 1000 is a quarter of 400; only the comment beside the number differs."""
    one = gate.customer()
    assert refused(one) == (3, "user")
    assert applied(gate, edited, "400/day, tiers: {any: {share: 25%", "1000/day, tiers: {any: {share: 10%") == 0
    assert capsys.readouterr().out == f"{gate.envoy.files.folder}: nothing to apply\n"
    assert refused(one) == (0, "user")


def test_apply_refuses_limits_that_do_not_add_up(
    gate: Gate, edited: EnvoyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert applied(gate, edited, "any: &tier {share: 25%", "any: &tier {share: 26%") == 1
    assert re.search(r"limits.yaml:\d+: the shares of ai_gateway add up to 104 %", capsys.readouterr().err)
    assert refused(gate.customer()) == (3, "user")


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text + "\n][",
        lambda text: text.replace("stat_prefix:", "stat_prefiks:"),
        lambda text: text.replace("name: limits_users", "name: limits_tiers"),
        lambda text: text.replace("v3.LocalRateLimit", "v3.RateLimit"),
        lambda text: re.sub(r"resources:.*", "resources: []", text, flags=re.DOTALL),
    ],
    ids=["not yaml", "unknown field", "another filter's", "another type", "nothing"],
)
def test_limits_that_are_broken_on_disk_are_refused_while_the_old_ones_count(
    gate: Gate, broken: Callable[[str], str]
) -> None:
    users = gate.envoy.files.rendered / "users.yaml"
    good, one = users.read_text("utf-8"), gate.customer()
    assert broken(good) != good
    assert refused(one) == (3, "user")
    before = gate.counted(REFUSED)
    try:
        move(users, broken(good))
        gate.door.wait_until(lambda: gate.counted(REFUSED) > before, "a refusal by Envoy")
        assert refused(one) == (0, "user")
        assert refused(gate.customer()) == (3, "user")
    finally:
        move(users, good)


def test_limits_that_are_broken_at_the_start_let_nobody_through(door: Door, mint: Minter) -> None:
    source = with_limits(door.folder / "source-broken", WIDE)
    edit(source.rendered / "tiers.yaml", [("stat_prefix:", "stat_prefiks:")])
    with door.another_envoy("broken", (), source) as envoy, door.no_request_at_backends():
        answer = Customer(HttpClient(envoy.plain, mint)).ask(COMPLETIONS)
        assert (answer.status, answer.json()["reason"]) == (500, "internal_error")


def test_without_authz_nobody_is_let_through_and_no_limit_counts(door: Door, gate: Gate) -> None:
    one = gate.customer()
    assert one.ask(SCAN).status == 200
    door.authz.kill()
    try:
        with door.no_request_at_backends():
            answers = [one.ask(SCAN) for _ in range(6)]
        assert {(answer.status, answer.json()["reason"]) for answer in answers} == {(503, "not_ready")}
    finally:
        door.authz.stop()
        door.authz.start()
        door.wait_for_authz()
    door.wait_until(lambda: gate.client.ask("GET", "/ai/monitoring/healthz").status == 200, "authz")
    assert refused(one) == (2, "user")
    assert refused(replace(one, user=None)) == (2, "instance")
