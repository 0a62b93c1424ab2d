"""The embedded engine: Envoy's own local rate limit filters; each Envoy has buckets of its own."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

from authz.limits.model import Limits
from authz.limits.rendering import descriptors, filters
from authz.limits.rendering.bootstrap import Marker
from authz.limits.rendering.descriptors import Data, Group, Quota
from authz.limits.rendering.rendered_file import Content

_FILTER: Final = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_RESET: Final = "response.headers['x-ratelimit-reset']"
_RETRY_AFTER: Final = (
    f"%CEL(response.code_details != 'local_rate_limited' ? response.headers['retry-after'] "
    f": {_RESET} == '0' ? '1' : {_RESET})%"
)
"""The refuser's own number. A bucket that refills faster than once a second says 0, which some clients take for now."""
HEADROOM: Final = 2
"""An evicted bucket comes back full, so there are more of them than callers are expected."""


def buckets(limits: Limits) -> Mapping[str, int]:
    """Return by filter how many callers it keeps a bucket for, of each of its limits."""
    callers, limited = limits.callers, (filters.ADDRESSES, *descriptors.groups(limits))
    expected = {
        filters.ADDRESSES: callers.addresses,
        Group.USERS: callers.users,
        Group.INSTANCES: callers.instances,
        Group.NAMESPACES: callers.namespaces,
    }
    return {name: count * HEADROOM for name, count in expected.items() if name in limited}


def embedded_files(limits: Limits) -> Mapping[str, Content]:
    """Return what the filters' files hold, by name."""
    attempts = (Quota(descriptors.address_entries(limits.addresses), limits.addresses.attempts),)
    contents = {filters.ADDRESSES: filters.content(filters.ADDRESSES, _addresses(limits, attempts), attempts)}
    for group in descriptors.groups(limits):
        own = tuple(descriptors.quotas(limits, group))
        config = _filter(limits, group, group.refused_as, [], descriptors.rate_limits(limits, group), own)
        contents[group.value] = filters.content(group, config, own)
    return contents


def embedded_sections(limits: Limits, folder: PurePath) -> Mapping[Marker, Sequence[Data] | Data]:
    """Return what the bootstrap holds in place of its markers; the files lie in `folder`."""
    return filters.sections(descriptors.groups(limits), folder, _FILTER, _RETRY_AFTER)


def _addresses(limits: Limits, attempts: Sequence[Quota]) -> Data:
    """Return the filter of addresses, which tells a client of its limit only when it refuses.

    Otherwise every answer without a user's limit would show how busy its address is. So Envoy adds no headers, and
    these are of a refusal: the next token comes after `reset` seconds at the latest.
    """
    rate = limits.addresses.attempts.rate
    reset = -(-rate.unit.seconds // rate.requests)
    shown = [
        filters.set_header(f"x-ratelimit-{name}", str(value))
        for name, value in (("limit", rate.requests), ("remaining", 0), ("reset", reset))
    ]
    counted = {"actions": descriptors.address_actions(limits.addresses), "x_ratelimit_option": "OFF"}
    return _filter(limits, filters.ADDRESSES, "address", shown, [counted], attempts)


def _filter(
    limits: Limits, name: str, scope: str, headers: Sequence[Data], counted: Sequence[Data], own: Sequence[Quota]
) -> Data:
    """Return a filter's configuration. It has no bucket for requests that no limit counts: clients would see it."""
    count = buckets(limits).get(name)
    always = {"default_value": {"numerator": 100}}
    return {
        "@type": _FILTER,
        "stat_prefix": f"limits_{name}",
        **({"max_dynamic_descriptors": count} if count else {}),
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limited_as_resource_exhausted": True,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "response_headers_to_add": [*filters.refusal_headers(scope, "1"), *headers],
        "rate_limits": list(counted),
        "descriptors": [_descriptor(quota) for quota in own],
    }


def _descriptor(quota: Quota) -> Data:
    rate = quota.limit.rate
    return {
        "token_bucket": {
            "max_tokens": rate.requests,
            "tokens_per_fill": rate.requests,
            "fill_interval": f"{rate.unit.seconds}s",
        },
        **({"shadow_mode": True} if quota.limit.shadow else {}),
        "entries": [entry.data for entry in quota.entries],
    }
