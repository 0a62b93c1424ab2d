"""Paths and rules: the tree and the naive list agree on every path."""

from hypothesis import given
from hypothesis import strategies as st

from authz.deciding.decision import Denied
from authz.deciding.paths import segments
from authz.model import AllOf, AnyOf, ByHeader, PublicRule
from authz.policy.load import Policy
from tests.support.properties import twin
from tests.support.properties.strategies import METHODS, targets
from tests.support.properties.twin import TwinRule


@given(target=targets)
def test_a_path_is_read_as_the_twin_reads_it(target: str) -> None:
    assert segments(target) == twin.decode(target)


@given(method=st.sampled_from(METHODS), target=targets)
def test_the_tree_finds_the_rule_that_trying_every_rule_finds(
    policy: Policy, twin_rules: list[TwinRule], method: str, target: str
) -> None:
    found = policy.judge.rules.match(method, target)
    path = twin.decode(target)
    expected = "ambiguous_path" if path is None else twin.match(twin_rules, method, path)
    if isinstance(expected, str):
        assert isinstance(found, Denied)
        assert found.reason == expected
        return
    assert not isinstance(found, Denied)
    assert (found.backend.name, list(found.methods)) == (expected.backend, expected.entry["methods"])
    if isinstance(found, PublicRule):
        assert expected.entry["public"] is True
        return
    assert list(found.required_headers) == expected.entry.get("required_headers", [])
    wanted = expected.entry["unit_primitives"]
    match found.access:
        case AllOf(names) if isinstance(wanted, list):
            assert list(names) == wanted
        case AllOf(names):
            assert list(names) in wanted["values"].values()
        case AnyOf(names):
            assert list(names) == wanted["any_of"]
        case ByHeader(header, allowed):
            assert header == wanted["by_header"].lower()
            assert sorted(allowed) == sorted(wanted["allowed"])
