"""The report: what each engine enforces of the limits, and what it cannot."""

from pathlib import Path

from authz.limits.report import report
from tests.support.limits import limits
from tests.unit.limits.rendering.test_files import EXCEPTION, EXEMPT, NAMESPACE_EXCEPTION, NAMESPACES, UNITS


def test_the_report_says_what_each_engine_can(tmp_path: Path) -> None:
    assert list(report(limits(tmp_path))) == [
        "embedded: each Envoy counts for itself, so N of them let N times as much through",
        "  enforces       attempts per address: 100/second",
        "  enforces       users: 3 limits",
        "  enforces       instances: 3 limits",
        "  enforces       tiers as a whole: 3 limits",
        "  cannot         failed authentications and refusals per address: it counts before it knows the answer",
        "  keeps          2 buckets for each limit of addresses, 2 times as many as are expected: 0 MB if every one is "
        "used",
        "  keeps          40 buckets for each limit of users, 2 times as many as are expected: 0 MB if every one is "
        "used",
        "  keeps          6 buckets for each limit of instances, 2 times as many as are expected: 0 MB if every one is "
        "used",
        "shared: the rate limit service counts for all Envoys together",
        "  enforces       failed authentications per address: 20/minute; Envoy lets one more through",
        "  enforces       refusals per address: 30/hour; Envoy lets one more through",
        "  enforces       users: 3 limits",
        "  enforces       instances: 3 limits",
        "  enforces       tiers as a whole: 3 limits",
        "  cannot         attempts per address: it counts them after the answer, so it cannot refuse one",
        "  without answer from limits.example:8081 within 50 ms: requests go on, unlimited",
        "both: instances have a limit of their own in realm self-managed only, root namespaces in realm saas only",
        "both: with an instance token, the instance itself says which user asks, and may claim to be many:",
        "      the limits per instance, per namespace and per tier hold all the same",
    ]


def test_the_report_has_exceptions_shadow_and_exempt_networks(tmp_path: Path) -> None:
    found = list(
        report(
            limits(
                tmp_path,
                UNITS,
                (EXCEPTION[0], EXCEPTION[1]),
                EXEMPT,
                ("user: 4/minute", "user: {limit: 4/minute, shadow: true}"),
                ("attempts: 100/second", "attempts: {limit: 100/second, shadow: true}"),
                ("on_failure: allow", "on_failure: deny"),
                ("users: 20,", "users: 1000000,"),
            )
        )
    )
    for line in (
        "  enforces       attempts per address: 100/second in shadow, except 2 networks",
        "  enforces       users: 4 limits; 1 in shadow: counted, never refused",
        "  enforces       instances: 4 limits and 1 exception",
        "  enforces       tiers as a whole, for one unit primitive: 1 limit",
        "  keeps          2000000 buckets for each limit of users, 2 times as many as are expected: 8800 MB if every "
        "one is used",
        "  without answer from limits.example:8081 within 50 ms: 503",
    ):
        assert line in found


def test_the_report_has_namespaces_where_they_have_limits(tmp_path: Path) -> None:
    found = list(report(limits(tmp_path, NAMESPACES, NAMESPACE_EXCEPTION)))
    assert found.count("  enforces       root namespaces of gitlab.com: 1 limit and 1 exception") == 2
    assert "  enforces       instances: 3 limits" in found
    assert (
        "  keeps          40 buckets for each limit of namespaces, 2 times as many as are expected: 0 MB if every one "
        "is used"
    ) in found
