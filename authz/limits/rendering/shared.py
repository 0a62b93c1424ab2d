"""The shared engine: filters that ask the rate limit service, and what that service counts for all Envoys together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from authz.deciding import facts
from authz.limits.model import Addresses, Limits, OnFailure, RateLimitService
from authz.limits.rendering.bootstrap import Marker
from authz.limits.rendering.descriptors import (
    Entry,
    Group,
    Quota,
    address_actions,
    groups,
    quota_actions,
    quotas,
)
from authz.limits.rendering.filters import (
    ADDRESSES,
    behind_authz,
    file_page,
    marker,
    one_set_of_headers,
    retry_after,
    slot,
)
from authz.limits.rendering.text import Line, Page, indented, lines

CLUSTER: Final = "ratelimit"
_FILTER: Final = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"
_AUTHZ: Final = f"metadata.filter_metadata['{facts.NAMESPACE}']"
_FAILED: Final = (
    f"'user_id' in {_AUTHZ} && response.code_details != 'request_rate_limited' && !("
    + " && ".join(f"'limits.{group}' in metadata.filter_metadata" for group in (Group.USERS, Group.TIERS))
    + ")"
)
"""Whether the service gave no answer: an answer leaves metadata, and both of these ask for whoever has a token."""


def shared_files(limits: Limits, header: Line) -> Mapping[str, Page]:
    """Return the filters' files by name."""
    return {
        ADDRESSES: file_page(ADDRESSES, header, _addresses(limits)),
        **{group.value: file_page(group, header, _quota(limits, group)) for group in groups(limits)},
    }


def service_files(limits: Limits, header: Line) -> Mapping[str, Page]:
    """Return the rate limit service's files by name: a domain each, since it reads one document a file."""
    domains = {ADDRESSES: _address_limits(limits.addresses)}
    domains.update({group.value: tuple(quotas(limits, group)) for group in groups(limits)})
    return {
        name: Page((header, Line(f"domain: {name}"), Line("descriptors:"), *_tree(quota)))
        for name, quota in domains.items()
    }


def shared_slots(limits: Limits, folder: PurePath) -> Mapping[Marker, Sequence[Line]]:
    """Return what the bootstrap holds in place of its markers; the files lie in `folder`."""
    return {
        Marker.BEFORE_AUTHZ: (*one_set_of_headers(""), *slot(ADDRESSES, folder, _FILTER)),
        Marker.BEHIND_AUTHZ: behind_authz(groups(limits), folder, _FILTER),
        Marker.ACCESS_LOG: (Line(f'limits_failed: "%CEL({_FAILED})%"'),),
        Marker.CLUSTERS: _cluster(limits.service),
    }


def _filter(name: str, scope: str, service: RateLimitService, retry: str, headers: str) -> tuple[Line, ...]:
    """What all of them have in common."""
    deny = service.on_failure is OnFailure.DENY
    common = f"""\
"@type": {_FILTER}
domain: {name}
metadata_namespace: limits.{name}
stat_prefix: limits_{name}
timeout: {service.timeout:g}s
failure_mode_deny: {str(deny).lower()}
status_on_error: {{code: ServiceUnavailable}}
rate_limited_as_resource_exhausted: true
enable_x_ratelimit_headers: {headers}
rate_limit_service: {{transport_api_version: V3, grpc_service: {{envoy_grpc: {{cluster_name: {CLUSTER}}}}}}}
response_headers_to_add:
"""
    return (*lines(common), marker(scope), retry_after(f'"{retry}"'), Line("rate_limits:"))


def _quota(limits: Limits, group: Group) -> Iterator[Line]:
    yield from _filter(group, group.marker, limits.service, "%RESP(x-ratelimit-reset)%", "DRAFT_VERSION_03")
    yield from quota_actions(limits, group)


def _addresses(limits: Limits) -> Iterator[Line]:
    """Each limit asks twice: before authz, adding nothing; and when the answer is known, adding one if it was such."""
    addresses = limits.addresses
    longest = max(each.limit.rate.unit.seconds for each in _address_limits(addresses))
    # What is left until an address is refused is nobody's business, and the service counts in windows.
    yield from _filter(ADDRESSES, "address", limits.service, str(longest), '"OFF"')
    for key, value in (("auth_outcome", "failed"), ("outcome", "denied")):
        yield Line(f"- actions:   # is {key} {value} over its limit?")
        yield Line(f"  - generic_key: {{descriptor_key: {key}, descriptor_value: {value}}}")
        yield from address_actions(addresses)
        yield Line("  hits_addend: {number: 0}")
    for key, value in (("auth_outcome", "failed"), ("outcome", "denied")):
        path = f"metadata_key: {{key: {facts.NAMESPACE}, path: [{{key: {key}}}]}}"
        yield Line(f"- actions:   # {key}: only {value} has a limit")
        yield Line(f"  - metadata: {{descriptor_key: {key}, source: DYNAMIC, {path}}}")
        yield from address_actions(addresses)
        yield Line("  apply_on_stream_done: true")


def _address_limits(addresses: Addresses) -> tuple[Quota, ...]:
    who = (*([Entry("exempt", "no")] if addresses.exempt else []), Entry("masked_remote_address"))
    failed, refused = addresses.failed_authentications, addresses.refusals
    return (
        Quota((Entry("auth_outcome", "failed"), *who), failed, "failed authentications, per address", ""),
        Quota((Entry("outcome", "denied"), *who), refused, "refusals, per address", ""),
    )


@dataclass(slots=True)
class _Node:
    """A step of descriptors, while the tree grows: what follows it, or the limit that it ends in."""

    below: dict[Entry, _Node] = field(default_factory=dict)
    quota: Quota | None = None


def _tree(quota: Iterable[Quota]) -> tuple[Line, ...]:
    root = _Node()
    for each in quota:
        node = root
        for entry in each.entries:
            node = node.below.setdefault(entry, _Node())
        node.quota = each
    return tuple(_branches(root))


def _branches(node: _Node) -> Iterator[Line]:
    for entry, below in node.below.items():
        said = str(entry)[1:-1]
        if below.quota is not None:
            limit, label, note = below.quota.limit, below.quota.label, below.quota.note
            rate = f"{{unit: {limit.rate.unit}, requests_per_unit: {limit.rate.requests}}}"
            shadow = ", shadow_mode: true" if limit.shadow else ""
            yield Line(f"- {{{said}, rate_limit: {rate}{shadow}}}", label, limit, note)
        else:
            key, _, value = said.partition(", ")
            yield Line(f"- {key}")
            yield from [Line(f"  {value}")] if value else []
            yield Line("  descriptors:")
            yield from indented(2, _branches(below))


def _cluster(service: RateLimitService) -> tuple[Line, ...]:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = f"{{socket_address: {{address: {service.host}, port_value: {service.port}}}}}"
    return lines(
        f"""\
# The rate limit service. Where it stands is said in limits.yaml, and what follows when it does not answer.
- name: {CLUSTER}
  type: STRICT_DNS
  connect_timeout: 0.25s
  typed_extension_protocol_options:
    {options}:
      "@type": type.googleapis.com/{options}
      explicit_http_config:
        http2_protocol_options: {{connection_keepalive: {{interval: 30s, timeout: 5s}}}}
  # A service or a Redis that hangs costs each request its timeout only until the next check.
  common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}
  health_checks:
  - timeout: 0.25s
    interval: 1s
    no_traffic_interval: 1s
    unhealthy_threshold: 1
    healthy_threshold: 1
    grpc_health_check: {{service_name: ratelimit}}
  circuit_breakers:
    thresholds: [{{max_connections: 1024, max_pending_requests: 100000, max_requests: 100000, max_retries: 1000}}]
  load_assignment:
    cluster_name: {CLUSTER}
    endpoints: [{{lb_endpoints: [{{endpoint: {{address: {address}}}}}]}}]
"""
    )
