"""Paths and rules: the tree and the naive list agree on every path."""

from hypothesis import given
from hypothesis import strategies as st

from authz.deciding.decision import Denied
from authz.deciding.paths import segments
from authz.model import AllOf, AnyOf, Authenticated, ByHeader, GoneRule, PublicRule
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
    if isinstance(found, PublicRule | GoneRule):
        assert expected.entry.get("public", False) is isinstance(found, PublicRule)
        return
    assert list(found.required_headers) == expected.entry.get("required_headers", [])
    match found.access:
        case Authenticated():
            assert expected.entry["authenticated"] is True
        case AllOf() | AnyOf() as demanded:
            assert path is not None
            assert listed(demanded) == twin.needs(expected, path, "")
        case ByHeader(header, demands):
            wanted = expected.entry["unit_primitives"]
            assert header == wanted["by_header"].lower()
            assert sorted(demands) == sorted(wanted.get("values") or wanted["allowed"])
            assert path is not None
            for value, demanded in demands.items():
                assert listed(demanded) == twin.needs(expected, path, value)


def listed(demanded: AllOf | AnyOf) -> tuple[bool, list[str]]:
    return isinstance(demanded, AllOf), list(demanded.unit_primitives)
