"""The report: what each engine enforces of the limits, and what it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authz.limits.descriptors import Group, groups, quotas
from authz.limits.embedded import HEADROOM, buckets
from authz.limits.model import OnFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.limits.model import Limit, Limits

__all__ = ["report"]

BUCKET_BYTES: Final = 1_100
"""What a bucket with the longest descriptor takes in Envoy 1.40, as its admin interface tells (/memory)."""


def report(limits: Limits) -> Iterator[str]:
    """Yield the lines of the report."""
    addresses, service = limits.addresses, limits.service
    yield "embedded: each Envoy counts for itself, so N of them let N times as much through"
    yield f"  enforces       attempts per address: {_said(addresses.attempts)}{_exempt(limits)}"
    yield from _quotas(limits)
    yield "  cannot         failed authentications and refusals per address: it counts before it knows the answer"
    for name, count in buckets(limits).items():
        limited = sum(1 for _ in quotas(limits, Group(name))) if name in _WHOM else 1
        size = count * limited * BUCKET_BYTES // 10**6
        most = f"{HEADROOM} times as many as are expected, {size} MB if every one is used"
        yield f"  keeps          {count} buckets for each limit of {name}: {most}"
    yield "shared: the rate limit service counts for all Envoys together"
    for what, limit in (
        ("failed authentications", addresses.failed_authentications),
        ("refusals", addresses.refusals),
    ):
        yield f"  enforces       {what} per address: {_said(limit)}{_exempt(limits)}; one more gets through"
    yield from _quotas(limits)
    yield "  cannot         attempts per address: what it counts there is answers"
    then = "503" if service.on_failure is OnFailure.DENY else "requests go on, unlimited"
    yield f"  without answer from {service.host}:{service.port} within {service.timeout * 1000:g} ms: {then}"
    yield "both: instances have a limit in realm self-managed only; users under an instance token are as many as the"
    yield "      instance says, since nothing proves that header: limits per instance and tier hold all the same"


def _quotas(limits: Limits) -> Iterator[str]:
    for group in groups(limits):
        found = tuple(quotas(limits, group))
        shadowed = sum(quota.limit.shadow for quota in found)
        shadow = f", {shadowed} of them in shadow: counted, never refused" if shadowed else ""
        yield f"  enforces       {_WHOM[group]}: {len(found)} limits{shadow}"


_WHOM: Final = {
    Group.USERS: "users",
    Group.INSTANCES: "instances, exceptions counted once a tier",
    Group.UNIT_PRIMITIVES: "tiers as a whole, in one unit primitive",
    Group.TIERS: "tiers as a whole",
}


def _said(limit: Limit) -> str:
    return f"{limit.rate} in shadow" if limit.shadow else str(limit.rate)


def _exempt(limits: Limits) -> str:
    count = len(limits.addresses.exempt)
    return f", except {count} network{'s' if count > 1 else ''}" if count else ""
