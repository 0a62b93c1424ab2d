"""The shared engine: filters that ask the rate limit service, and what that service counts for all Envoys together."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from authz.deciding import facts
from authz.limits.model import Addresses, Limits, OnFailure, RateLimitService
from authz.limits.rendering import descriptors, filters
from authz.limits.rendering.bootstrap import Marker
from authz.limits.rendering.descriptors import Data, Entry, Group, Quota
from authz.limits.rendering.rendered_file import Content

CLUSTER: Final = "ratelimit"
_FILTER: Final = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"
_AUTHZ: Final = f"metadata.filter_metadata['{facts.NAMESPACE}']"
_FAILED: Final = (
    f"'{facts.USER_ID}' in {_AUTHZ} && response.code_details != 'request_rate_limited' && !("
    + " && ".join(f"'limits.{group}' in metadata.filter_metadata" for group in (Group.USERS, Group.TIERS))
    + ")"
)
"""Whether the service gave no answer: an answer leaves metadata, and both of these ask for all callers with a token."""
_COUNTED: Final = ((facts.AUTH_OUTCOME, facts.FAILED), (facts.OUTCOME, facts.DENIED))
"""What authz says of an answer that counts against its address: a failed authentication, and any refusal."""


def shared_files(limits: Limits) -> Mapping[str, Content]:
    """Return what the filters' files hold, by name."""
    contents = {filters.ADDRESSES: filters.content(filters.ADDRESSES, _addresses(limits))}
    return contents | {
        group.value: filters.content(group, _quota(limits, group)) for group in descriptors.groups(limits)
    }


def service_files(limits: Limits) -> Mapping[str, Content]:
    """Return what the rate limit service's files hold, by name: a domain each, since it reads one document a file."""
    domains = {filters.ADDRESSES: _address_quotas(limits.addresses)}
    domains |= {group.value: tuple(descriptors.quotas(limits, group)) for group in descriptors.groups(limits)}
    return {name: Content({"domain": name, "descriptors": _tree(own)}, own) for name, own in domains.items()}


def shared_sections(limits: Limits, folder: PurePath) -> Mapping[Marker, Sequence[Data] | Data]:
    """Return what the bootstrap holds in place of its markers; the files lie in `folder`."""
    return {
        **filters.sections(descriptors.groups(limits), folder, _FILTER, retry_after=""),
        Marker.ACCESS_LOG: {"limits_failed": f"%CEL({_FAILED})%"},
        Marker.CLUSTERS: [_cluster(limits.service)],
    }


def _quota(limits: Limits, group: Group) -> Data:
    headers = filters.refusal_headers(group.refused_as, "%RESP(x-ratelimit-reset)%")
    return _filter(group, limits.service, "DRAFT_VERSION_03", headers, descriptors.rate_limits(limits, group))


def _addresses(limits: Limits) -> Data:
    """Return the filter of addresses: each limit asks before authz, and counts when the answer is known.

    It tells clients nothing of what is left. The service counts in windows, so a refused one waits for the longest.
    """
    address = descriptors.address_actions(limits.addresses)
    longest = max(quota.limit.rate.unit.seconds for quota in _address_quotas(limits.addresses))
    asked = [
        {
            "actions": [{"generic_key": {"descriptor_key": key, "descriptor_value": value}}, *address],
            "hits_addend": {"number": 0},
        }
        for key, value in _COUNTED
    ]
    counted = [
        {"actions": [descriptors.fact_action(key), *address], "apply_on_stream_done": True} for key, _ in _COUNTED
    ]
    headers = filters.refusal_headers("address", str(longest))
    return _filter(filters.ADDRESSES, limits.service, "OFF", headers, [*asked, *counted])


def _filter(name: str, service: RateLimitService, shown: str, headers: Sequence[Data], counted: Sequence[Data]) -> Data:
    """Return a filter's configuration; `shown` is the form of the headers by which a client sees what is left."""
    return {
        "@type": _FILTER,
        "domain": str(name),
        "metadata_namespace": f"limits.{name}",
        "stat_prefix": f"limits_{name}",
        "timeout": f"{service.timeout:g}s",
        "failure_mode_deny": service.on_failure is OnFailure.DENY,
        "status_on_error": {"code": "ServiceUnavailable"},
        "rate_limited_as_resource_exhausted": True,
        "enable_x_ratelimit_headers": shown,
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
        },
        "response_headers_to_add": list(headers),
        "rate_limits": list(counted),
    }


def _address_quotas(addresses: Addresses) -> tuple[Quota, ...]:
    limits = (addresses.failed_authentications, addresses.refusals)
    who = descriptors.address_entries(addresses)
    return tuple(Quota((Entry(key, value), *who), limit) for (key, value), limit in zip(_COUNTED, limits, strict=True))


def _tree(counted: Iterable[Quota]) -> list[Data]:
    """Return descriptors one below the other, as the service reads them; those that begin alike share their steps."""
    tree: list[Data] = []
    for quota in counted:
        *above, last = (entry.data for entry in quota.entries)
        level = tree
        for entry in above:
            node = next((each for each in level if {**entry, "descriptors": each.get("descriptors")} == each), None)
            if node is None:
                node = {**entry, "descriptors": []}
                level.append(node)
            level = node["descriptors"]
        rate = quota.limit.rate
        level.append(
            {
                **last,
                "rate_limit": {"unit": rate.unit.value, "requests_per_unit": rate.requests},
                **({"shadow_mode": True} if quota.limit.shadow else {}),
            }
        )
    return tree


def _cluster(service: RateLimitService) -> Data:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
    address = {"socket_address": {"address": service.host, "port_value": service.port}}
    return {
        "name": CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "0.25s",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": keepalive},
            }
        },
        # A service or a Redis that hangs costs each request its timeout only until the next check.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                "timeout": "0.25s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": "ratelimit"},
            }
        ],
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1024, "max_pending_requests": 100_000, "max_requests": 100_000, "max_retries": 1000}
            ]
        },
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
