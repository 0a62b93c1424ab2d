"""The embedded engine: Envoy's own local rate limit filters, each with buckets of its own, in every Envoy anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authz.limits.bootstrap import Marker
from authz.limits.descriptors import Entry, address_actions, quota_actions, quotas
from authz.limits.model import Scope
from authz.limits.page import Line, Page, lines
from authz.limits.slots import ADDRESSES, HEADER, SCOPES, file_page, forget_headers, one_set_of_headers, slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import PurePath

    from authz.limits.model import Limit, Limits

__all__ = ["buckets", "embedded_files", "embedded_slots"]

_FILTER: Final = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_RETRY_AFTER: Final = (
    "%CEL(response.code_details == 'local_rate_limited' "
    "? response.headers['x-ratelimit-reset'] : response.headers['retry-after'])%"
)
HEADROOM: Final = 2
"""An evicted bucket comes back full, so there are more of them than callers are expected."""


def buckets(limits: Limits) -> Mapping[str, tuple[str, int]]:
    """Return by filter which callers have a bucket each, and for how many of them it keeps one per limit."""
    callers = limits.callers
    expected = {ADDRESSES: callers.addresses, "users": callers.users, "instances": callers.instances}
    return {name: (name, count * HEADROOM) for name, count in expected.items()}


def embedded_files(limits: Limits, header: Line) -> Mapping[str, Page]:
    """Return the filters' files by name."""
    return {
        ADDRESSES: file_page(ADDRESSES, header, _addresses(limits)),
        **{
            name: file_page(name, header, _quota(limits, name, scope))
            for name, scope in zip(SCOPES, (Scope.USER, Scope.INSTANCE, Scope.TIER), strict=True)
        },
    }


def embedded_slots(folder: PurePath) -> Mapping[Marker, Sequence[Line]]:
    """Return what the bootstrap holds in place of its markers; the files lie in `folder`."""
    users, *others = (slot(name, folder, _FILTER) for name in SCOPES)
    return {
        Marker.BEFORE_AUTHZ: (*one_set_of_headers(_RETRY_AFTER), *slot(ADDRESSES, folder, _FILTER)),
        Marker.BEHIND_AUTHZ: (*users, *forget_headers(), *(line for other in others for line in other)),
        Marker.CLUSTERS: (),
    }


def _addresses(limits: Limits) -> Iterator[Line]:
    addresses = limits.addresses
    entries = [*([Entry("exempt", "no")] if addresses.exempt else []), Entry("masked_remote_address")]
    yield from _filter(limits, ADDRESSES)
    yield Line("rate_limits:")
    yield Line("- actions:")
    yield from address_actions(addresses)
    if addresses.attempts.shadow:
        yield Line('  x_ratelimit_option: "OFF"')
    yield Line("descriptors:")
    yield _descriptor(entries, addresses.attempts, "attempts, per address")


def _quota(limits: Limits, name: str, scope: Scope) -> Iterator[Line]:
    yield from _filter(limits, name)
    yield Line("rate_limits:")
    yield from quota_actions(limits, scope)
    yield Line("descriptors:")
    for quota in quotas(limits, scope):
        yield _descriptor(quota.entries, quota.limit, quota.label, quota.note)


def _filter(limits: Limits, name: str) -> tuple[Line, ...]:
    """What all of them have in common. A bucket for everything else would only be told to clients, so there is none."""
    wildcards = buckets(limits).get(name)
    size = f"\nmax_dynamic_descriptors: {wildcards[1]}" if wildcards else ""
    header = "{{header: {{key: {}, value: {}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}".format
    return lines(
        f"""\
"@type": {_FILTER}
stat_prefix: limits_{name}{size}
filter_enabled: {{default_value: {{numerator: 100}}}}
filter_enforced: {{default_value: {{numerator: 100}}}}
rate_limited_as_resource_exhausted: true
enable_x_ratelimit_headers: DRAFT_VERSION_03
response_headers_to_add:
- {header(HEADER, name)}
- {header("retry-after", '"1"')}
"""
    )


def _descriptor(entries: Sequence[Entry], limit: Limit, label: str, note: str = "") -> Line:
    rate = limit.rate
    bucket = f"{{max_tokens: {rate.requests}, tokens_per_fill: {rate.requests}, fill_interval: {rate.unit.seconds}s}}"
    shadow = ", shadow_mode: true" if limit.shadow else ""
    steps = ", ".join(map(str, entries))
    return Line(f"- {{token_bucket: {bucket}{shadow}, entries: [{steps}]}}", label, limit, note)
