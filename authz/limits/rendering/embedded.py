"""The embedded engine: Envoy's own local rate limit filters, each with buckets of its own, in every Envoy anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from authz.limits.model import Limit, Limits
from authz.limits.rendering.bootstrap import Marker
from authz.limits.rendering.descriptors import Entry, Group, address_actions, groups, quota_actions, quotas
from authz.limits.rendering.filters import (
    ADDRESSES,
    behind_authz,
    file_page,
    marker,
    one_set_of_headers,
    retry_after,
    slot,
)
from authz.limits.rendering.text import Line, Page, lines

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
    callers = limits.callers
    expected = {ADDRESSES: callers.addresses, Group.USERS: callers.users, Group.INSTANCES: callers.instances}
    return {name: count * HEADROOM for name, count in expected.items()}


def embedded_files(limits: Limits, header: Line) -> Mapping[str, Page]:
    """Return the filters' files by name."""
    return {
        ADDRESSES: file_page(ADDRESSES, header, _addresses(limits)),
        **{group.value: file_page(group, header, _quota(limits, group)) for group in groups(limits)},
    }


def embedded_slots(limits: Limits, folder: PurePath) -> Mapping[Marker, Sequence[Line]]:
    """Return what the bootstrap holds in place of its markers; the files lie in `folder`."""
    return {
        Marker.BEFORE_AUTHZ: (*one_set_of_headers(_RETRY_AFTER), *slot(ADDRESSES, folder, _FILTER)),
        Marker.BEHIND_AUTHZ: behind_authz(groups(limits), folder, _FILTER),
        Marker.ACCESS_LOG: (),
        Marker.CLUSTERS: (),
    }


def _addresses(limits: Limits) -> Iterator[Line]:
    addresses = limits.addresses
    entries = [*([Entry("exempt", "no")] if addresses.exempt else []), Entry("masked_remote_address")]
    yield from _filter(limits, ADDRESSES, "address")
    yield from _told_when_refused(addresses.attempts)
    yield Line("rate_limits:")
    yield Line("- actions:")
    yield from address_actions(addresses)
    yield Line(
        '  x_ratelimit_option: "OFF"   # or every answer without a user\'s limit would tell how busy its address is'
    )
    yield Line("descriptors:")
    yield _descriptor(entries, addresses.attempts, "attempts, per address")


def _told_when_refused(limit: Limit) -> Iterator[Line]:
    """What the filter would say of its one limit; the next token comes after this many seconds at the latest."""
    rate = limit.rate
    seconds = -(-rate.unit.seconds // rate.requests)
    for name, value in (("limit", rate.requests), ("remaining", 0), ("reset", seconds)):
        header = f'{{key: x-ratelimit-{name}, value: "{value}"}}'
        yield Line(f"- {{header: {header}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}")


def _quota(limits: Limits, group: Group) -> Iterator[Line]:
    yield from _filter(limits, group, group.marker)
    yield Line("rate_limits:")
    yield from quota_actions(limits, group)
    yield Line("descriptors:")
    for quota in quotas(limits, group):
        yield _descriptor(quota.entries, quota.limit, quota.label, quota.note)


def _filter(limits: Limits, name: str, scope: str) -> tuple[Line, ...]:
    """What all of them have in common. A bucket for everything else would only be told to clients, so there is none."""
    count = buckets(limits).get(name)
    size = f"\nmax_dynamic_descriptors: {count}" if count else ""
    common = f"""\
"@type": {_FILTER}
stat_prefix: limits_{name}{size}
filter_enabled: {{default_value: {{numerator: 100}}}}
filter_enforced: {{default_value: {{numerator: 100}}}}
rate_limited_as_resource_exhausted: true
enable_x_ratelimit_headers: DRAFT_VERSION_03
response_headers_to_add:
"""
    return (*lines(common), marker(scope), retry_after('"1"'))


def _descriptor(entries: Sequence[Entry], limit: Limit, label: str, note: str = "") -> Line:
    rate = limit.rate
    bucket = f"{{max_tokens: {rate.requests}, tokens_per_fill: {rate.requests}, fill_interval: {rate.unit.seconds}s}}"
    shadow = ", shadow_mode: true" if limit.shadow else ""
    steps = ", ".join(map(str, entries))
    return Line(f"- {{token_bucket: {bucket}{shadow}, entries: [{steps}]}}", label, limit, note)
