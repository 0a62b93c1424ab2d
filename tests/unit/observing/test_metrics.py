"""Metrics are what Prometheus expects, and hold what was counted."""

import re
from dataclasses import replace
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from authz.deciding.reasons import Reason
from authz.observing.metrics import MAX_LEAVES_SHOWN, Metrics
from authz.observing.state import FailedReload, PolicyState, State, WorkerCounts
from authz.observing.totals import BOUNDS, Durations, LeafUse, Totals
from authz.tokens.cache import CacheUse
from authz.tokens.keys.inventory import Anchor, PackagedKey, Trusted

COUNTED: Final = Totals(
    decisions={(Reason.ALLOWED, "ai_gateway", "duo_chat", "small"): 3, ("no_rule", "", "", ""): 1},
    token_errors={("expired", "customers-dot"): 2, ("malformed", "unknown"): 4},
    durations=Durations((1, 2, *([0] * (len(BOUNDS) - 1))), 0.000_2),
    caches={"tokens": CacheUse(5, 6, 7, 8), "chains": CacheUse(1, 2, 3, 4)},
    key_uses={("customers-dot", "k-1"): 1_000.0, ("customers-dot", "gone"): 900.0},
    leaves={("customers-dot", "x5c:aa"): LeafUse(1_000.0, 5_000.0)},
    shadow_decisions={("allowed", "missing_scope", "ai_gateway"): 15},
    seat_mismatches={"customers-dot": 9},
    unknown_seats={"gitlab-com": 10},
    lines_dropped={"overflow": 11, "unwritable": 0},
    spans_dropped=12,
    overloads=13,
    clients_refused=15,
    in_flight=14,
)
LOADED: Final = PolicyState(
    revision="beff6cf4df160dbc",
    loaded_at=2_000.0,
    reloads=3,
    reload_failures=1,
    trusted=Trusted(
        keys=(PackagedKey("customers-dot", "k-1", 100.0), PackagedKey("gitlab-com", "k-2", None)),
        anchors=(Anchor("customers-dot", "ab" * 32, 9_000.0),),
    ),
)


class Still(State):
    """A supervisor's state that stands still."""

    def __init__(self, counted: Totals = COUNTED, loaded: PolicyState = LOADED, *, ready: bool = True) -> None:
        super().__init__(lambda: WorkerCounts(running=2, wanted=3, restarts=4), lambda: ready, loaded)
        self.counted(0, counted)


def samples(state: State) -> dict[str, float]:
    """Return every sample by its name and labels, these in the order of the alphabet."""
    families = text_string_to_metric_families(Metrics(state, "1.2.3").text().decode())
    return {
        " ".join([sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items())]): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_count_is_there() -> None:
    still = Still()
    still.tls_shown(7_000.0)
    found = {name: value for name, value in samples(still).items() if "_bucket" not in name}
    assert found == {
        "authz_decisions_total backend_service=ai_gateway reason=allowed tier=small unit_primitive=duo_chat": 3,
        "authz_decisions_total backend_service= reason=no_rule tier= unit_primitive=": 1,
        "authz_token_errors_total issuer=customers-dot token_error=expired": 2,
        "authz_token_errors_total issuer=unknown token_error=malformed": 4,
        "authz_check_duration_seconds_count": 3,
        "authz_check_duration_seconds_sum": 0.000_2,
        "authz_shadow_decisions_total backend_service=ai_gateway reason=allowed shadow_reason=missing_scope": 15,
        "authz_seat_count_mismatches_total issuer=customers-dot": 9,
        "authz_unknown_seat_counts_total issuer=gitlab-com": 10,
        "authz_cache_hits_total cache=tokens": 5,
        "authz_cache_hits_total cache=chains": 1,
        "authz_cache_misses_total cache=tokens": 6,
        "authz_cache_misses_total cache=chains": 2,
        "authz_cache_evictions_total cache=tokens": 7,
        "authz_cache_evictions_total cache=chains": 3,
        "authz_cache_entries cache=tokens": 8,
        "authz_cache_entries cache=chains": 4,
        "authz_build_info version=1.2.3": 1,
        "authz_workers_running": 2,
        "authz_workers_wanted": 3,
        "authz_worker_restarts_total": 4,
        "authz_checks_in_flight": 14,
        "authz_overload_refusals_total": 13,
        "authz_client_refusals_total": 15,
        "authz_tls_certificate_expiry_timestamp_seconds": 7_000,
        "authz_log_lines_dropped_total cause=overflow": 11,
        "authz_log_lines_dropped_total cause=unwritable": 0,
        "authz_spans_dropped_total": 12,
        "authz_policy_info revision=beff6cf4df160dbc": 1,
        "authz_policy_loaded_timestamp_seconds": 2_000,
        "authz_policy_reloads_total outcome=success": 3,
        "authz_policy_reloads_total outcome=failure": 1,
        "authz_policy_last_reload_successful": 1,
        "authz_policy_watched": 1,
        "authz_key_created_timestamp_seconds issuer=customers-dot key_id=k-1": 100,
        "authz_key_last_used_timestamp_seconds issuer=customers-dot key_id=k-1": 1_000,
        f"authz_anchor_expiry_timestamp_seconds issuer=customers-dot thumbprint={'ab' * 32}": 9_000,
        "authz_leaf_expiry_timestamp_seconds issuer=customers-dot key_id=x5c:aa": 5_000,
    }


def test_buckets_hold_what_is_below_them() -> None:
    found = samples(Still())
    assert found["authz_check_duration_seconds_bucket le=5e-05"] == 1
    assert found["authz_check_duration_seconds_bucket le=0.0001"] == 3
    assert found["authz_check_duration_seconds_bucket le=+Inf"] == 3


def test_a_policy_that_could_not_be_loaded_is_told() -> None:
    failed = replace(LOADED, last_failure=FailedReload(1.0, ()))
    assert samples(Still(loaded=failed))["authz_policy_last_reload_successful"] == 0


def test_that_changes_are_not_seen_is_told() -> None:
    assert samples(Still(loaded=replace(LOADED, watched=False)))["authz_policy_watched"] == 0


def test_leaves_are_bounded_over_all_workers() -> None:
    leaves = {("i", f"x5c:{number}"): LeafUse(float(number), 1.0) for number in range(MAX_LEAVES_SHOWN + 10)}
    shown = [name for name in samples(Still(Totals(leaves=leaves))) if name.startswith("authz_leaf")]
    assert len(shown) == MAX_LEAVES_SHOWN
    assert "authz_leaf_expiry_timestamp_seconds issuer=i key_id=x5c:0" not in shown


def test_a_service_that_has_answered_nothing_yet_has_metrics() -> None:
    found = samples(Still(Totals(), PolicyState("r", 1.0)))
    assert found["authz_check_duration_seconds_count"] == 0


def test_every_metric_is_named_and_described_as_prometheus_asks() -> None:
    text = Metrics(Still(), "1").text()
    for family in text_string_to_metric_families(text.decode()):
        assert re.fullmatch(r"authz_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        assert all(sample.name.endswith("_total") for sample in family.samples if family.type == "counter")


def test_without_tls_no_certificate_expires() -> None:
    assert "authz_tls_certificate_expiry_timestamp_seconds" not in samples(Still())
