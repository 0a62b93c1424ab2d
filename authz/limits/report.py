"""The report: what each engine enforces of the limits, and what it cannot."""

from collections.abc import Iterator
from typing import Final

from authz.limits.model import Limits, OnFailure
from authz.limits.rendering.descriptors import Group, groups, quotas
from authz.limits.rendering.embedded import HEADROOM, buckets
from authz.limits.rendering.filters import ADDRESSES

BUCKET_BYTES: Final = 1_100
"""What a bucket with the longest descriptor takes in Envoy 1.40, as its admin interface tells (/memory)."""


def report(limits: Limits) -> Iterator[str]:
    """Yield the lines of the report."""
    addresses, service = limits.addresses, limits.service
    yield "embedded: each Envoy counts for itself, so N of them let N times as much through"
    yield f"  enforces       attempts per address: {addresses.attempts}{_exempt(limits)}"
    yield from _quotas(limits)
    yield "  cannot         failed authentications and refusals per address: it counts before it knows the answer"
    for name, count in buckets(limits).items():
        yield f"  keeps          {_buckets(limits, name, count)}"
    yield "shared: the rate limit service counts for all Envoys together"
    for what, limit in (("failed authentications", addresses.failed_authentications), ("refusals", addresses.refusals)):
        yield f"  enforces       {what} per address: {limit}{_exempt(limits)}; Envoy lets one more through"
    yield from _quotas(limits)
    yield "  cannot         attempts per address: it counts them after the answer, so it cannot refuse one"
    then = "503" if service.on_failure is OnFailure.DENY else "requests go on, unlimited"
    yield f"  without answer from {service.host}:{service.port} within {service.timeout * 1000:g} ms: {then}"
    yield "both: instances have a limit of their own in realm self-managed only, root namespaces in realm saas only"
    yield "both: with an instance token, the instance itself says which user asks, and may claim to be many:"
    yield "      the limits per instance, per namespace and per tier hold all the same"


def _quotas(limits: Limits) -> Iterator[str]:
    for group in groups(limits):
        found = tuple(quotas(limits, group))
        common = sum(not quota.is_exception for quota in found)
        exceptions = sum(each.scope is group.scope for each in limits.exceptions)
        shadowed = sum(quota.limit.shadow for quota in found)
        yield (
            f"  enforces       {_WHOM[group]}: {_counted(common, 'limit')}"
            + (f" and {_counted(exceptions, 'exception')}" if exceptions else "")
            + (f"; {shadowed} in shadow: counted, never refused" if shadowed else "")
        )


_WHOM: Final = {
    Group.USERS: "users",
    Group.INSTANCES: "instances",
    Group.NAMESPACES: "root namespaces of gitlab.com",
    Group.UNIT_PRIMITIVES: "tiers as a whole, for one unit primitive",
    Group.TIERS: "tiers as a whole",
}


def _buckets(limits: Limits, name: str, count: int) -> str:
    """Say how many buckets a filter keeps, and what they come to."""
    common = 1 if name == ADDRESSES else sum(not quota.is_exception for quota in quotas(limits, Group(name)))
    size = common * count * BUCKET_BYTES // 10**6
    many = f"{count} buckets for each limit of {name}, {HEADROOM} times as many as are expected"
    return f"{many}: {size} MB if every one is used"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _exempt(limits: Limits) -> str:
    count = len(limits.addresses.exempt)
    return f", except {_counted(count, 'network')}" if count else ""
