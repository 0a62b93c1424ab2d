"""The metrics as Prometheus reads them: sums over all workers, and what the supervisor knows."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from authz.observing.state import PolicyState, State, WorkerCounts
from authz.observing.totals import BOUNDS, Totals

Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)
Values = (
    float
    | Mapping[str, float]
    | Mapping[tuple[str, str], float]
    | Mapping[tuple[str, str, str], float]
    | Mapping[tuple[str, str, str, str], float]
)
"""A number, or numbers by the value of the one label, or by the values of the labels."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads."""
MAX_LEAVES_SHOWN: Final = 64


class Metrics:
    """Every metric of the service. Labels come from the policy and this program, never from a client."""

    def __init__(self, state: State, version: str) -> None:
        self._state = state
        self._version = version
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all of them in the text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Return every metric as it is now."""
        totals, policy = self._state.totals(), self._state.policy()
        yield from _of_answers(totals)
        yield from _of_caches(totals)
        yield from _of_workers(self._state.workers(), totals, self._version)
        yield from _of_policy(policy)
        yield from _of_trust(policy, totals)
        expiry = self._state.tls_expiry()
        text = "When the certificate expires that TLS listeners show."
        yield _gauge("authz_tls_certificate_expiry_timestamp_seconds", text, {} if expiry is None else expiry)


def _of_answers(totals: Totals) -> Iterator[Metric]:
    text = "Answers by reason, backend service, unit primitives and tier; empty: not known by then."
    labels = ("reason", "backend_service", "unit_primitive", "tier")
    yield _counter("authz_decisions", text, totals.decisions, *labels)
    text = "Refused tokens by what was wrong with them and by the issuer they name (unknown: not in issuers.yml)."
    yield _counter("authz_token_errors", text, totals.token_errors, "token_error", "issuer")
    buckets = zip([*map(str, BOUNDS), "+Inf"], map(float, accumulate(totals.durations.counts)), strict=True)
    text = "Time from reading a request to writing its answer."
    yield HistogramMetricFamily("authz_check_duration_seconds", text, list(buckets), totals.durations.total)
    text = "Decisions where a rule is tried (shadow: true), by the reason of the answer and that of the tried rule."
    yield _counter(
        "authz_shadow_decisions", text, totals.shadow_decisions, "reason", "shadow_reason", "backend_service"
    )
    text = "Answers where the header X-Gitlab-Duo-Seat-Count differs from the token; the token counts."
    yield _counter("authz_seat_count_mismatches", text, totals.seat_mismatches, "issuer")
    text = "Answers on tokens without a readable number of seats: their tier is assigned in tiers.yml, or the default."
    yield _counter("authz_unknown_seat_counts", text, totals.unknown_seats, "issuer")


def _of_caches(totals: Totals) -> Iterator[Metric]:
    hits, misses, evictions, entries = (
        {name: getattr(use, count) for name, use in totals.caches.items()}
        for count in ("hits", "misses", "evictions", "entries")
    )
    yield _counter("authz_cache_hits", "Lookups of tokens and chains that were in the cache.", hits, "cache")
    yield _counter("authz_cache_misses", "Lookups of tokens and chains that were not in the cache.", misses, "cache")
    yield _counter(
        "authz_cache_evictions",
        "Verified tokens and chains that were removed because the cache was full.",
        evictions,
        "cache",
    )
    yield _gauge("authz_cache_entries", "Verified tokens and chains in the caches of all workers.", entries, "cache")


def _of_workers(workers: WorkerCounts, totals: Totals, version: str) -> Iterator[Metric]:
    yield _gauge("authz_build_info", "The version that runs.", {version: 1}, "version")
    yield _gauge("authz_workers_running", "Workers that answer.", workers.running)
    yield _gauge("authz_workers_wanted", "Workers that should run.", workers.wanted)
    yield _counter("authz_worker_restarts", "Workers that were replaced.", workers.restarts)
    yield _gauge("authz_checks_in_flight", "Checks that wait for their answer.", totals.in_flight)
    text = "Checks refused at once because too many were open (UNAVAILABLE)."
    yield _counter("authz_overload_refusals", text, totals.overloads)
    text = "Calls refused because the client's certificate has no name that may ask (--tls-client-san)."
    yield _counter("authz_client_refusals", text, totals.clients_refused)
    text = "Log lines that were not written, by cause: too many waited, or the log could not be written."
    yield _counter("authz_log_lines_dropped", text, totals.lines_dropped, "cause")
    yield _counter("authz_spans_dropped", "Spans that the trace collector did not take.", totals.spans_dropped)


def _of_policy(policy: PolicyState) -> Iterator[Metric]:
    yield _gauge("authz_policy_info", "The policy in force, by its digest.", {policy.revision: 1}, "revision")
    yield _gauge("authz_policy_loaded_timestamp_seconds", "When the policy in force was loaded.", policy.loaded_at)
    text = "Reloads by outcome; after a failure the old policy stays in force."
    reloads = {"success": policy.reloads, "failure": policy.reload_failures}
    yield _counter("authz_policy_reloads", text, reloads, "outcome")
    text = "1 if the newest policy is in force, 0 if it could not be loaded."
    yield _gauge("authz_policy_last_reload_successful", text, policy.last_failure is None)
    yield _gauge("authz_policy_watched", "1 if a change of policy or keys would be seen, 0 if not.", policy.watched)


def _of_trust(policy: PolicyState, totals: Totals) -> Iterator[Metric]:
    keys = {(key.issuer, key.kid): key.created for key in policy.trusted.keys}
    dated = {name: created for name, created in keys.items() if created is not None}
    text = "When a packaged key was made, where its file says so (created_at)."
    yield _gauge("authz_key_created_timestamp_seconds", text, dated, "issuer", "key_id")
    used = {name: used for name, used in totals.key_uses.items() if name in keys}
    text = "When a packaged key last verified a token."
    yield _gauge("authz_key_last_used_timestamp_seconds", text, used, "issuer", "key_id")
    anchors = {(anchor.issuer, anchor.thumbprint): anchor.ends for anchor in policy.trusted.anchors}
    text = "When a trust anchor expires."
    yield _gauge("authz_anchor_expiry_timestamp_seconds", text, anchors, "issuer", "thumbprint")
    newest = sorted(totals.leaves.items(), key=lambda item: item[1].last, reverse=True)[:MAX_LEAVES_SHOWN]
    leaves = {name: use.ends for name, use in newest}
    text = "Earliest expiry in the chain of a certificate that signed tokens lately; the 64 used last."
    yield _gauge("authz_leaf_expiry_timestamp_seconds", text, leaves, "issuer", "key_id")


def _counter(name: str, text: str, values: Values, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def _gauge(name: str, text: str, values: Values, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def _filled(family: Family, values: Values) -> Family:
    if not isinstance(values, Mapping):
        family.add_metric((), values)
        return family
    for label, value in sorted(values.items()):
        family.add_metric((label,) if isinstance(label, str) else label, value)
    return family
