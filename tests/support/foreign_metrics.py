"""The metrics of other programs that dashboard and alerts use, with their labels.

A test compares Envoy's with a real Envoy (tests/e2e/test_metric_names.py). Those of the rate limit service were copied
from a real one: github.com/envoyproxy/ratelimit at 3fb702589d36, with USE_PROMETHEUS=true.
"""

from typing import Final

_CLUSTER: Final = frozenset({"envoy_cluster_name"})
_DOOR: Final = frozenset({"envoy_http_conn_manager_prefix"})
_CLASS: Final = frozenset({"envoy_response_code_class"})
_FILTER: Final = frozenset({"envoy_local_http_ratelimit_prefix"})
_LE: Final = frozenset({"le"})
_NONE: Final = frozenset[str]()
_SCOPES: Final = ("addresses", "users", "instances", "namespaces", "tiers")
_FILES: Final = (
    *("envoy_http_rds", "envoy_cluster_manager_cds", "envoy_sds"),
    *(f"envoy_extension_config_discovery_http_filter_limits_{scope}" for scope in _SCOPES),
)

ENVOY: Final = {
    "envoy_cluster_membership_healthy": _CLUSTER,
    "envoy_cluster_membership_total": _CLUSTER,
    "envoy_cluster_upstream_rq_retry": _CLUSTER,
    "envoy_cluster_upstream_rq_retry_limit_exceeded": _CLUSTER,
    "envoy_cluster_upstream_rq_retry_success": _CLUSTER,
    "envoy_cluster_upstream_rq_time_bucket": _CLUSTER | _LE,
    "envoy_cluster_upstream_rq_xx": _CLUSTER | _CLASS,
    "envoy_http_downstream_cx_active": _DOOR,
    "envoy_http_downstream_rq_active": _DOOR,
    "envoy_http_downstream_rq_failed_path_normalization": _DOOR,
    "envoy_http_downstream_rq_time_bucket": _DOOR | _LE,
    "envoy_http_downstream_rq_total": _DOOR,
    "envoy_http_downstream_rq_xx": _DOOR | _CLASS,
    "envoy_http_ext_authz_error": _DOOR,
    "envoy_http_ext_authz_failure_mode_allowed": _DOOR,
    "envoy_http_no_route": _DOOR,
    "envoy_overload_envoy_overload_actions_stop_accepting_requests_active": _NONE,
    "envoy_server_days_until_first_cert_expiring": _NONE,
    "envoy_server_live": _NONE,
    **{f"{file}_update_{outcome}": _NONE for file in _FILES for outcome in ("rejected", "failure")},
    "envoy_http_local_rate_limit_enforced": _FILTER,
    "envoy_http_local_rate_limit_shadow_mode": _FILTER,
}
"""Metrics of every Envoy; the last two only if it counts the limits itself."""

ENVOY_SHARED: Final = {
    **{f"envoy_cluster_ratelimit_limits_{scope}_over_limit": _CLUSTER for scope in (*_SCOPES, "unit_primitives")},
    "envoy_cluster_ratelimit_limits_addresses_error": _CLUSTER,
    "envoy_cluster_ratelimit_limits_users_error": _CLUSTER,
    "envoy_cluster_ratelimit_limits_tiers_error": _CLUSTER,
    "envoy_cluster_ratelimit_limits_users_failure_mode_allowed": _CLUSTER,
}
"""Metrics of an Envoy that asks the rate limit service; each appears with its first count."""

_COUNTED: Final = frozenset({"domain", "key1", "key2"})

RATELIMIT: Final = {
    "ratelimit_service_config_load_error": _NONE,
    "ratelimit_service_rate_limit_near_limit": _COUNTED,
    "ratelimit_service_rate_limit_over_limit": _COUNTED,
    "ratelimit_service_response_time_seconds_bucket": frozenset({"grpc_method"}) | _LE,
}

PROMETHEUS: Final = {"up": _NONE}

FOREIGN: Final = {**ENVOY, **ENVOY_SHARED, **RATELIMIT, **PROMETHEUS}
