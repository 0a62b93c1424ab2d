"""`limits.yaml`: what it says, and all problems at once, each with its line."""

from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from authz.documents.findings import Findings
from authz.limits.model import (
    Addresses,
    BackendLimits,
    Callers,
    Ceiling,
    CustomerException,
    Limit,
    OnFailure,
    RateLimitService,
    Scope,
    TierLimits,
)
from authz.limits.rates import Rate, Unit
from authz.limits.reader import read_limits
from tests.support.files import shown
from tests.support.limits import VOCABULARY, limits, problems, warnings
from tests.support.tables import row

MISTAKES: Final = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))
UNITS = ("addresses:\n", "    unit_primitives:\n      read:\n        tiers: UNITS\naddresses:\n")
EXCEPTION = ("addresses:\n", "exceptions:\n  - {EXCEPTION}\naddresses:\n")


def a_minute(requests: int, line: int, *, shadow: bool = False) -> Limit:
    return Limit(Rate(requests, Unit.MINUTE), shadow, line)


def with_unit(tiers: str) -> tuple[str, str]:
    """An edit that gives the unit primitive `read` limits."""
    return UNITS[0], UNITS[1].replace("UNITS", tiers)


def with_exception(entry: str) -> tuple[str, str]:
    """An edit that adds exceptions, separated by lines."""
    return EXCEPTION[0], EXCEPTION[1].replace("EXCEPTION", entry.replace("\n", "}\n  - {"))


def test_the_file_becomes_values_that_know_their_lines(tmp_path: Path) -> None:
    read = limits(tmp_path)
    assert read.default_tier == "any"
    assert read.backends == (
        BackendLimits(
            backend_service="alpha",
            capacity=Rate(1000, Unit.MINUTE),
            oversubscribe=Fraction(1),
            line=2,
            tiers=(
                TierLimits(
                    "any",
                    {Scope.USER: a_minute(4, 5), Scope.INSTANCE: a_minute(40, 5)},
                    Ceiling(Rate(100, Unit.MINUTE), False, 5, Fraction(1, 10)),
                ),
                TierLimits(
                    "small",
                    {Scope.USER: a_minute(5, 6), Scope.INSTANCE: a_minute(50, 6)},
                    Ceiling(Rate(300, Unit.MINUTE), False, 6, Fraction(3, 10)),
                ),
                TierLimits(
                    "large",
                    {Scope.USER: a_minute(6, 7), Scope.INSTANCE: a_minute(60, 7)},
                    Ceiling(Rate(600, Unit.MINUTE), False, 7, Fraction(3, 5)),
                ),
            ),
            unit_primitives={},
        ),
    )
    assert read.exceptions == ()
    assert read.addresses == Addresses(
        Limit(Rate(100, Unit.SECOND), False, 9), a_minute(20, 10), Limit(Rate(30, Unit.HOUR), False, 11), 64, ()
    )
    assert read.callers == Callers(addresses=1, users=20, instances=3, namespaces=20)
    assert read.service == RateLimitService("limits.example", 8081, 0.05, OnFailure.ALLOW)


def test_any_limit_may_be_in_shadow(tmp_path: Path) -> None:
    read = limits(
        tmp_path,
        ("user: 4/minute", "user: {limit: 4/minute, shadow: true}"),
        ("share: 10%", "share: {share: 10%, shadow: true}"),
        ("attempts: 100/second", "attempts: {limit: 100/second, shadow: true}"),
        ("instance: 40/minute", "instance: {limit: 40/minute}, namespace: {limit: 30/minute, shadow: true}"),
    )
    tier = read.backends[0].tiers[0]
    assert tier.of(Scope.USER) == a_minute(4, 5, shadow=True)
    assert tier.of(Scope.INSTANCE) == a_minute(40, 5)
    assert tier.of(Scope.NAMESPACE) == a_minute(30, 5, shadow=True)
    assert tier.ceiling == Ceiling(Rate(100, Unit.MINUTE), True, 5, Fraction(1, 10))
    assert read.addresses.attempts.shadow


def test_tiers_stand_smallest_first_however_they_are_written(tmp_path: Path) -> None:
    names = (("      any:", "      tmp:"), ("      large:", "      any:"), ("      tmp:", "      large:"))
    shares = (("share: 10%", "share: 70%"), ("share: 60%", "share: 1%"), ("share: 30%", "share: 20%"))
    swapped = limits(tmp_path, *names, *shares)
    assert [tier.tier for tier in swapped.backends[0].tiers] == ["any", "small", "large"]


def test_a_unit_primitive_has_the_limits_that_are_written(tmp_path: Path) -> None:
    read = limits(tmp_path, with_unit("{large: {share: 5%}, any: {user: 2/minute}}"))
    ((name, tiers),) = read.backends[0].unit_primitives.items()
    assert name == "read"
    assert tiers == (
        TierLimits("any", {Scope.USER: a_minute(2, 10)}, None),
        TierLimits("large", {}, Ceiling(Rate(50, Unit.MINUTE), False, 10, Fraction(1, 20))),
    )
    assert [(tier.tier, unit) for _, tier, unit in read.tiers()] == [
        ("any", None), ("small", None), ("large", None), ("any", "read"), ("large", "read"),
    ]  # fmt: skip
    assert [tiers[0].of(scope) for scope in Scope] == [a_minute(2, 10), None, None, None]


@pytest.mark.parametrize("scope", [Scope.INSTANCE, Scope.NAMESPACE])
def test_an_exception_is_one_customers_own_limit(tmp_path: Path, scope: Scope) -> None:
    text = f"limited_{scope}_id: A-1, reason: asked for, backend_services: {{alpha: {{{scope}: 90/minute}}}}"
    (exception,) = limits(tmp_path, with_exception(text)).exceptions
    assert exception == CustomerException(scope, "A-1", "asked for", {"alpha": a_minute(90, 9)})


def test_one_id_may_be_that_of_an_instance_and_of_a_namespace(tmp_path: Path) -> None:
    both = with_exception(f"{excepted(customer='A')}\n{excepted('alpha: {namespace: 9/minute}', 'A', 'namespace')}")
    assert [each.scope for each in limits(tmp_path, both).exceptions] == [Scope.INSTANCE, Scope.NAMESPACE]


def test_only_instances_are_called_unknown_by_authz(tmp_path: Path) -> None:
    assert problems(tmp_path, with_exception(excepted("alpha: {namespace: 9/minute}", "unknown", "namespace"))) == []


def test_buckets_for_namespaces_are_as_many_as_are_written(tmp_path: Path) -> None:
    assert limits(tmp_path, ("instances: 3}", "instances: 3, namespaces: 7}")).callers.namespaces == 7


def test_networks_of_both_kinds_may_be_exempt(tmp_path: Path) -> None:
    exempt = (
        "  refusals: 30/hour",
        "  refusals: 30/hour\n  ipv6_prefix: 56\n  exempt: [192.0.2.0/24, '2001:db8::/32']",
    )
    read = limits(tmp_path, exempt)
    assert read.addresses.exempt == (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert read.addresses.ipv6_prefix == 56


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake["id"] for mistake in MISTAKES])
def test_a_number_or_a_name_that_cannot_be_right_is_a_problem(tmp_path: Path, mistake: dict[str, Any]) -> None:
    assert problems(tmp_path, mistake["edit"]) == [f"limits.yaml:{each}" for each in mistake["found"]]


@pytest.mark.parametrize(
    ("tiers", "found"),
    [
        row("unknown tier", "{gold: {user: 1/minute}}", "tier 'gold' is not in the policy"),
        row(
            "nothing",
            "{any: {}}",
            "backend_services.alpha.unit_primitives.read.tiers.any: limits nothing: give it a share, an instance, "
            "namespace or user limit, or remove it",
        ),
        row(
            "a larger tier with the smaller share",
            "{any: {share: 5%}, large: {share: 4%}}",
            "tier 'large' has 4 %, less than the 5 % of 'any': larger customers keep the larger share",
        ),
    ],
)
def test_limits_of_a_unit_primitive_are_checked_too(tmp_path: Path, tiers: str, found: str) -> None:
    assert problems(tmp_path, with_unit(tiers)) == [f"limits.yaml:10: {found}"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("raed", "unit primitive 'raed' is not in the catalog; did you mean 'read'?"),
        ("admin", "no rule of alpha can answer with 'admin'"),
    ],
)
def test_a_unit_primitive_that_no_rule_answers_with_is_a_problem(tmp_path: Path, name: str, problem: str) -> None:
    old, new = with_unit("{any: {user: 1/minute}}")
    assert problems(tmp_path, (old, new.replace("read:", f"{name}:"))) == [f"limits.yaml:9: {problem}"]


def test_one_of_several_that_a_rule_answers_with_is_enough(tmp_path: Path) -> None:
    old, new = with_unit("{any: {user: 1/minute}}")
    assert problems(tmp_path, (old, new.replace("read:", "write:"))) == []


def test_a_unit_primitive_has_no_limits_for_a_tier_that_draws_from_the_default(tmp_path: Path) -> None:
    left_out = ("      large: {share: 60%, instance: 60/minute, user: 6/minute}\n", "")
    equal = ("share: 30%", "share: 10%")
    assert problems(tmp_path, left_out, equal, with_unit("{large: {user: 1/minute}}")) == [
        "limits.yaml:9: tier 'large' has no limits of its own at alpha, so it is counted as the default tier"
    ]
    assert problems(tmp_path, left_out, equal) == []


def excepted(limits: str = "alpha: {instance: 50/minute}", customer: str = "a", scope: str = "instance") -> str:
    return f"limited_{scope}_id: {customer}, reason: r, backend_services: {{{limits}}}"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        row("twice", f"{excepted()}\n{excepted(customer='A')}", "10: 'A' is here twice, first on line 9"),
        row(
            "a namespace twice",
            "\n".join([excepted("alpha: {namespace: 50/minute}", scope="namespace")] * 2),
            "10: 'a' is here twice, first on line 9",
        ),
        row("unknown", excepted(customer="unknown"), "9: 'unknown' is not an instance's id and has no instance limit"),
        row(
            "a user limit, which only tiers have",
            excepted("alpha: {instance: 50/minute, user: 5/minute}"),
            "9: unknown key 'user'",
        ),
        row(
            "a backend without limits",
            excepted("beta: {instance: 50/minute}"),
            "9: backend service 'beta' has no limits to except from",
        ),
        row(
            "an id that no token carries",
            excepted(customer="'a b'"),
            "9: exceptions[0].limited_instance_id: should match '^[A-Za-z0-9+/=_.:-]{1,256}$', not 'a b'",
        ),
        row(
            "a namespace that is a number",
            excepted("alpha: {namespace: 50/minute}", "9970", "namespace"),
            "9: exceptions[0].limited_namespace_id: should be text (put it in quotes), not 9970",
        ),
        row(
            "an instance with a namespace's limit",
            excepted("alpha: {instance: 50/minute, namespace: 50/minute}"),
            "9: unknown key 'namespace'",
        ),
        row(
            "both at once",
            f"limited_namespace_id: '1', {excepted()}",
            "9: exceptions[0]: should have one of limited_instance_id and limited_namespace_id, and not both",
        ),
        row(
            "nobody's",
            "reason: r, backend_services: {alpha: {instance: 50/minute}}",
            "9: exceptions[0]: should have one of limited_instance_id and limited_namespace_id, and not both",
        ),
    ],
)
def test_an_exception_that_cannot_be_right_is_a_problem(tmp_path: Path, entry: str, found: str) -> None:
    assert problems(tmp_path, with_exception(entry)) == [f"limits.yaml:{found}"]


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        ("[10.0.0.0/8, 10.1.0.0/16]", ["10.1.0.0/16 overlaps 10.0.0.0/8 on line 12"]),
        ("['::/0', 10.0.0.0/8]", []),
        ("[10.0.0.1/8]", ["addresses.exempt[0]: should be a network, such as 10.0.0.0/8, not '10.0.0.1/8'"]),
        ("[home]", ["addresses.exempt[0]: should be a network, such as 192.0.2.0/24 or 2001:db8::/32, not 'home'"]),
        ("[10]", ["addresses.exempt[0]: should be a network, such as 192.0.2.0/24 or 2001:db8::/32, not 10"]),
    ],
)
def test_networks_are_networks_and_do_not_overlap(tmp_path: Path, networks: str, found: list[str]) -> None:
    edit = ("  refusals: 30/hour", f"  refusals: 30/hour\n  exempt: {networks}")
    assert problems(tmp_path, edit) == [f"limits.yaml:12: {each}" for each in found]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    twice = ("  refusals: 30/hour", "  refusals: 30/hour\n  exempt: [10.0.0.0/8, 10.0.0.0/8]")
    found = problems(tmp_path, ("  alpha:", "  beta:"), ("share: 60%", "share: 90%"), twice)
    assert [each.split(": ")[0] for each in found] == ["limits.yaml:1", "limits.yaml:2", "limits.yaml:12"]


def test_idle_tiers_capacity_may_be_used_where_that_is_written(tmp_path: Path) -> None:
    twice = ("    tiers:", "    oversubscribe: 1.5\n    tiers:")
    assert problems(tmp_path, twice, ("share: 10%", "share: 30%"), ("share: 30%", "share: 30%")) == []
    assert limits(tmp_path, twice).backends[0].oversubscribe == Fraction(3, 2)


@pytest.mark.parametrize(
    ("edits", "found"),
    [
        pytest.param((), [], id="nothing odd"),
        pytest.param(
            (("user: 4/minute", "user: 1/second"),),
            ["limits.yaml:5: tier 'any': 40/minute per instance is below 1/second per user, which is never reached"],
            id="an instance below its user",
        ),
        pytest.param(
            (("instance: 40/minute", "instance: 101/minute"),),
            ["limits.yaml:5: tier 'any': 100/minute per tier is below 101/minute per instance, which is never reached"],
            id="a tier below its instance",
        ),
        pytest.param(
            (("instance: 40/minute", "instance: 40/minute, namespace: 101/minute"),),
            [
                "limits.yaml:5: tier 'any': 100/minute per tier is below 101/minute per namespace, which is never "
                "reached"
            ],
            id="a tier below its namespace",
        ),
        pytest.param(
            (("instance: 40/minute", "instance: 40/minute, namespace: 3/minute"),),
            [],
            id="a namespace below its user, who may be in several",
        ),
        pytest.param(
            (
                ("instance: 40/minute", "instance: 40/minute, namespace: 30/minute"),
                with_unit("{any: {namespace: 30/minute}}"),
            ),
            [
                "limits.yaml:10: 'read', tier 'any': 30/minute per namespace is never reached: the backend's own is "
                "30/minute"
            ],
            id="a namespace of a unit primitive not below its backend",
        ),
        pytest.param(
            (with_unit("{any: {user: 4/minute}}"),),
            ["limits.yaml:10: 'read', tier 'any': 4/minute per user is never reached: the backend's own is 4/minute"],
            id="a unit primitive not below its backend",
        ),
        pytest.param(
            (with_exception(excepted("alpha: {instance: 601/minute}")),),
            ["limits.yaml:9: 601/minute is never reached: no tier as a whole may send more than 600/minute to alpha"],
            id="an exception above every tier",
        ),
        pytest.param(
            (with_exception(excepted("alpha: {namespace: 601/minute}", scope="namespace")),),
            ["limits.yaml:9: 601/minute is never reached: no tier as a whole may send more than 600/minute to alpha"],
            id="an exception of a namespace above every tier",
        ),
    ],
)
def test_a_limit_that_is_never_reached_is_a_warning(
    tmp_path: Path, edits: tuple[tuple[str, str], ...], found: list[str]
) -> None:
    assert warnings(tmp_path, *edits) == found


def test_a_backend_without_any_tier_that_exists_is_a_problem(tmp_path: Path) -> None:
    beta = "  beta:\n    capacity: 10/second\n    tiers: {gold: {share: 10%, instance: 1/second, user: 1/second}}\n"
    assert problems(tmp_path, ("addresses:\n", f"{beta}addresses:\n")) == [
        "limits.yaml:10: tier 'any' is missing: it is the default tier, which stands in for tiers without a share",
        "limits.yaml:10: tier 'gold' is not in the policy",
    ]


def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    assert read_limits(tmp_path / "limits.yaml", VOCABULARY, findings) is None
    assert shown(findings.problems) == ["limits.yaml:0: cannot be read: No such file or directory"]
