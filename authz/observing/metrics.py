"""The metrics as Prometheus reads them: sums over all workers, and what the supervisor knows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from authz.observing.state import PolicyState, State, WorkerCounts
from authz.observing.totals import BOUNDS, Totals

L = TypeVar("L", bound=tuple[str, ...])


CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads."""
MAX_LEAVES_SHOWN: Final = 64


class Metrics:
    """Every metric of the service. Labels come from the policy and this program, never from a client."""

    def __init__(self, state: State, version: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(state, version))

    def text(self) -> bytes:
        """Return all of them in the text format."""
        return generate_latest(self._registry)


class _Collector:
    def __init__(self, state: State, version: str) -> None:
        self._state = state
        self._version = version

    def describe(self) -> list[Metric]:
        """Return nothing: the metrics are only known once the service runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return every metric as it is now."""
        totals, policy = self._state.totals(), self._state.policy()
        yield from _of_answers(totals)
        yield from _of_caches(totals)
        yield from _of_workers(self._state.workers(), totals, self._version)
        yield from _of_policy(policy)
        yield from _of_trust(policy, totals)


def _of_answers(totals: Totals) -> Iterator[Metric]:
    yield _counter(
        "authz_decisions",
        "Answers by reason, backend service, unit primitives and tier; empty: not known by then.",
        ("reason", "backend_service", "unit_primitive", "tier"),
        totals.decisions,
    )
    yield _counter(
        "authz_token_errors",
        "Refused tokens by what was wrong with them and by the issuer they name (unknown: none of ours).",
        ("token_error", "issuer"),
        totals.token_errors,
    )
    yield _histogram(totals)
    yield _counter(
        "authz_seat_count_mismatches",
        "Answers where the header X-Gitlab-Duo-Seat-Count said otherwise than the token, which is what counts.",
        ("issuer",),
        _labelled(totals.seat_mismatches),
    )
    yield _counter(
        "authz_unknown_seat_counts",
        "Answers on tokens without a number of seats that can be read: they are in the default tier.",
        ("issuer",),
        _labelled(totals.unknown_seats),
    )


def _of_caches(totals: Totals) -> Iterator[Metric]:
    counts: tuple[tuple[str, str, Callable[[str], int]], ...] = (
        ("hits", "Look-ups of tokens and chains that were in the cache.", lambda name: totals.caches[name].hits),
        (
            "misses",
            "Look-ups of tokens and chains that were not in the cache.",
            lambda name: totals.caches[name].misses,
        ),
        (
            "evictions",
            "Proofs that were evicted because the cache was full.",
            lambda name: totals.caches[name].evictions,
        ),
    )
    for kind, text, count in counts:
        yield _counter(f"authz_cache_{kind}", text, ("cache",), {(name,): count(name) for name in totals.caches})
    entries = {(name,): use.entries for name, use in totals.caches.items()}
    yield _gauge("authz_cache_entries", "Proofs in the caches of all workers.", ("cache",), entries)


def _of_workers(workers: WorkerCounts, totals: Totals, version: str) -> Iterator[Metric]:
    yield _gauge("authz_build_info", "The version that runs.", ("version",), {(version,): 1})
    yield _gauge("authz_workers_running", "Workers that answer.", (), {(): workers.running})
    yield _gauge("authz_workers_wanted", "Workers that there should be.", (), {(): workers.wanted})
    yield _counter("authz_worker_restarts", "Workers that were replaced.", (), {(): workers.restarts})
    yield _gauge("authz_checks_in_flight", "Checks that wait for their answer.", (), {(): totals.in_flight})
    yield _counter(
        "authz_overload_refusals",
        "Checks refused at once because too many were open (UNAVAILABLE).",
        (),
        {(): totals.overloads},
    )
    yield _counter(
        "authz_log_lines_dropped",
        "Lines that were not written, by cause: too many waited, or the log could not be written.",
        ("cause",),
        _labelled(totals.lines_dropped),
    )
    yield _counter(
        "authz_spans_dropped", "Spans that the collector of traces did not take.", (), {(): totals.spans_dropped}
    )


def _of_policy(policy: PolicyState) -> Iterator[Metric]:
    yield _gauge("authz_policy_info", "The policy in force, by its digest.", ("revision",), {(policy.revision,): 1})
    yield _gauge(
        "authz_policy_loaded_timestamp_seconds", "When the policy in force was loaded.", (), {(): policy.loaded_at}
    )
    yield _counter(
        "authz_policy_reloads",
        "Reloads that put a changed policy into force, and those that failed and left the old one.",
        ("outcome",),
        {("success",): policy.reloads, ("failure",): policy.reload_failures},
    )
    yield _gauge(
        "authz_policy_last_reload_successful",
        "1 if the newest policy is in force, 0 if it could not be loaded.",
        (),
        {(): int(policy.last_failure is None)},
    )
    yield _gauge(
        "authz_policy_watched",
        "1 if a change of policy or keys would be seen, 0 if not.",
        (),
        {(): int(policy.watched)},
    )


def _of_trust(policy: PolicyState, totals: Totals) -> Iterator[Metric]:
    keys = {(key.issuer, key.kid): key.created for key in policy.trusted.keys}
    yield _gauge(
        "authz_key_created_timestamp_seconds",
        "When a packaged key was made, where its file says so (created_at).",
        ("issuer", "key_id"),
        {name: created for name, created in keys.items() if created is not None},
    )
    yield _gauge(
        "authz_key_last_used_timestamp_seconds",
        "When a packaged key last proved a token.",
        ("issuer", "key_id"),
        {name: used for name, used in totals.key_uses.items() if name in keys},
    )
    yield _gauge(
        "authz_anchor_expiry_timestamp_seconds",
        "When a trust anchor expires.",
        ("issuer", "thumbprint"),
        {(anchor.issuer, anchor.thumbprint): anchor.ends for anchor in policy.trusted.anchors},
    )
    newest = sorted(totals.leaves.items(), key=lambda item: item[1].last, reverse=True)[:MAX_LEAVES_SHOWN]
    yield _gauge(
        "authz_leaf_expiry_timestamp_seconds",
        "When a certificate that signed tokens lately expires, or one above it; at most 64 of them.",
        ("issuer", "key_id"),
        {name: use.ends for name, use in newest},
    )


def _histogram(totals: Totals) -> Metric:
    bounds = [*map(str, BOUNDS), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(totals.durations.counts)), strict=True))
    return HistogramMetricFamily(
        "authz_check_duration_seconds",
        "What an answer took, from the request's bytes to its own.",
        buckets=buckets,
        sum_value=totals.durations.total,
    )


def _labelled(counts: Mapping[str, int]) -> Mapping[tuple[str, ...], int]:
    return {(name,): count for name, count in counts.items()}


def _counter(name: str, text: str, labels: Iterable[str], values: Mapping[L, float]) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=tuple(labels)), values)


def _gauge(name: str, text: str, labels: Iterable[str], values: Mapping[L, float]) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=tuple(labels)), values)


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[L, float]
) -> CounterMetricFamily | GaugeMetricFamily:
    for labels, value in sorted(values.items()):
        family.add_metric([str(label) for label in labels], value)
    return family
