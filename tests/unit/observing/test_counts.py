"""The tally counts each answer once, under labels that no client can make up."""

import pickle
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deciding.observation import Observation
from authz.model import AnyOf
from authz.observing.counts import MAX_LEAVES, Counts
from authz.observing.state import PolicyState, State, WorkerCounts
from authz.observing.totals import BOUNDS, Durations, LeafUse, Totals
from authz.policy.load import Policy
from authz.tokens.cache import CacheUse
from authz.tokens.keys.key import Signer
from authz.tokens.proof import Proof
from tests.support.issuers import PRODUCTION
from tests.support.minting import NOW, request
from tests.support.observing import LEAF, chained, observe, observed
from tests.support.shipped import load_shipped
from tests.support.tables import row

KID: Final = PRODUCTION["customers-dot"].key.kid


def counted(*observations: Observation) -> Totals:
    tally = Counts()
    for observation in observations:
        tally.observe(observation)
    return tally.snapshot(0, {}, 0)


PROXY: Final = "/ai/v1/proxy/anthropic/v1/messages"


EITHER: Final = "complete_code|amazon_q_integration"


@pytest.mark.parametrize(
    ("message", "labels"),
    [
        row("an allow", {}, ("allowed", "ai_gateway", "complete_code", "small")),
        row("a public endpoint", {"path": "/ai/monitoring/healthz", "method": "GET"}, ("public", "ai_gateway", "", "")),
        row("no rule", {"path": "/ai/nothing/here"}, ("no_rule", "", "", "")),
        row("a method", {"method": "PURGE"}, ("method_not_allowed", "ai_gateway", "", "")),
        row(
            "no token",
            {"headers": {"authorization": "x"}},
            ("malformed_authorization", "ai_gateway", EITHER, ""),
        ),
        row(
            "no JWS",
            {"headers": {"authorization": "Bearer x"}},
            ("invalid_token", "ai_gateway", EITHER, ""),
        ),
        row(
            "an expired token",
            {"claims": {"exp": 1}},
            ("invalid_token", "ai_gateway", EITHER, "small"),
        ),
        row(
            "no scope",
            {"claims": {"scopes": ["x"]}},
            ("missing_scope", "ai_gateway", EITHER, "small"),
        ),
        row("a tier", {"claims": {"duo_seat_count": 1_000}}, ("allowed", "ai_gateway", "complete_code", "large")),
        row(
            "a unit primitive of the client's own",
            {"path": PROXY, "headers": {"x-gitlab-unit-primitive": "made_up"}},
            ("unit_primitive_not_served", "ai_gateway", "", "small"),
        ),
        row(
            "one that a header names",
            {"path": PROXY, "headers": {"x-gitlab-unit-primitive": "ask_build"}},
            ("missing_scope", "ai_gateway", "ask_build", "small"),
        ),
    ],
)
def test_an_answer_is_counted_under_words_of_the_policy(
    policy: Policy, message: dict[str, str], labels: tuple[str, ...]
) -> None:
    assert counted(observed(policy, **message)).decisions == {labels: 1}  # type: ignore[arg-type]  # a table's row


def test_bytes_that_are_no_request_are_counted_too(policy: Policy) -> None:
    assert counted(observe(policy.judge, b"\xff")).decisions == {("internal_error", "", "", ""): 1}


def test_one_of_several_is_counted_apart_from_all_of_them(policy: Policy) -> None:
    seen = observed(policy, claims={"scopes": []})
    judgement = seen.judgement._replace(demanded=AnyOf(("a", "b")))
    assert {unit for _, _, unit, _ in counted(seen._replace(judgement=judgement)).decisions} == {"a|b"}


def test_equal_answers_add_up(policy: Policy) -> None:
    seen = observed(policy)
    assert list(counted(seen, seen, seen).decisions.values()) == [3]


@pytest.mark.parametrize(
    ("claims", "authorization", "label"),
    [
        row("after the signature", {"exp": 1}, None, ("expired", "customers-dot")),
        row("an issuer of its own", {"iss": "https://evil.example"}, None, ("unknown_issuer", "unknown")),
        row("no JWS", {}, "Bearer x", ("malformed", "unknown")),
    ],
)
def test_a_token_error_names_an_issuer_of_ours_or_none(
    policy: Policy, claims: dict[str, object], authorization: str | None, label: tuple[str, str]
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    assert counted(observed(policy, claims=claims, headers=headers)).token_errors == {label: 1}


@pytest.mark.parametrize("seconds", [0.0, *BOUNDS, 0.000_07, 5.0])
def test_a_duration_falls_into_the_first_bucket_that_holds_it(policy: Policy, seconds: float) -> None:
    durations = counted(observed(policy)._replace(seconds=seconds)).durations
    (bucket,) = [index for index, count in enumerate(durations.counts) if count]
    upper = [*BOUNDS, float("inf")]
    assert upper[bucket] >= seconds
    assert bucket == 0 or upper[bucket - 1] < seconds
    assert durations.total == seconds


def test_the_use_of_a_key_is_dated_whether_its_token_was_let_in_or_not(policy: Policy) -> None:
    name = ("customers-dot", KID)
    assert counted(observed(policy)).key_uses == {name: NOW}
    assert counted(observed(policy, claims={"exp": 1})).key_uses == {name: NOW}
    assert counted(observed(policy, claims={"sub": "no identifier"})).key_uses == {name: NOW}
    assert counted(observed(policy, headers={"authorization": "Bearer x"})).key_uses == {}


def test_a_leaf_is_counted_apart_from_the_keys(policy: Policy) -> None:
    totals = counted(observed(policy, headers=chained()))
    ends = LEAF.signed.not_valid_after_utc.timestamp()
    assert totals.leaves == {("customers-dot", f"x5c:{LEAF.thumbprint}"): LeafUse(NOW, ends)}
    assert totals.key_uses == {}


def test_leaves_are_bounded_and_the_one_not_seen_for_longest_makes_room(policy: Policy) -> None:
    seen, tally = observed(policy, headers=chained()), Counts()
    proof = seen.judgement.token
    assert isinstance(proof, Proof)
    for number in range(MAX_LEAVES + 1):
        key = replace(proof.signer.key, kid=f"x5c:{number}")
        judgement = seen.judgement._replace(token=replace(proof, signer=Signer(key, ("x",), 0.0, 1.0)))
        tally.observe(seen._replace(judgement=judgement, at=float(1_000 if number == 0 else number)))
    leaves = tally.snapshot(0, {}, 0).leaves
    assert len(leaves) == MAX_LEAVES
    assert ("customers-dot", "x5c:0") in leaves
    assert ("customers-dot", "x5c:1") not in leaves


@pytest.mark.parametrize(
    ("seats", "header", "mismatches", "unknown"),
    [
        ("50", "50", {}, {}),
        (50, "50", {}, {}),
        ("50", None, {}, {}),
        ("50", "", {}, {}),
        ("50", "51", {"customers-dot": 1}, {}),
        ("50", "many", {"customers-dot": 1}, {}),
        ("many", "50", {}, {"customers-dot": 1}),
        (None, None, {}, {"customers-dot": 1}),
    ],
)
def test_seats_that_the_header_sees_differently_are_counted(
    policy: Policy, seats: object, header: str | None, mismatches: dict[str, int], unknown: dict[str, int]
) -> None:
    headers = {} if header is None else {"x-gitlab-duo-seat-count": header}
    totals = counted(observed(policy, claims={"duo_seat_count": seats}, headers=headers))
    assert (totals.seat_mismatches, totals.unknown_seats) == (mismatches, unknown)


def test_what_the_memories_counted_goes_on_with_the_next_policy(policy: Policy) -> None:
    tally = Counts()
    tally.follow(lambda: {"tokens": CacheUse(1, 2, 3, 4)})
    tally.follow(lambda: {"tokens": CacheUse(10, 20, 30, 40), "chains": CacheUse(5, 0, 0, 5)})
    expected = {"tokens": CacheUse(11, 22, 33, 40), "chains": CacheUse(5, 0, 0, 5)}
    assert tally.snapshot(0, {}, 0).caches == expected
    tally.follow(policy.judge.cache_use)
    assert set(tally.snapshot(0, {}, 0).caches) == {"tokens", "chains"}


def test_a_policy_says_what_came_of_its_memories(tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = load_shipped(tmp_path_factory.mktemp("fresh"))
    for headers in ({}, {}, chained()):
        observed(fresh, headers=headers)
    assert fresh.judge.cache_use() == {"tokens": CacheUse(1, 2, 0, 2), "chains": CacheUse(0, 1, 0, 1)}


def test_a_snapshot_stands_still_and_can_be_sent(policy: Policy) -> None:
    tally = Counts()
    tally.overloaded()
    tally.observe(observed(policy, headers=chained()))
    before = tally.snapshot(3, {"overflow": 2}, 7)
    tally.observe(observed(policy, claims={"exp": 1}))
    assert (before.in_flight, before.lines_dropped, before.spans_dropped, before.overloads) == (
        3,
        {"overflow": 2},
        7,
        1,
    )
    assert sum(before.decisions.values()) == 1
    assert before.token_errors == {}
    assert pickle.loads(pickle.dumps(before)) == before


COUNTS: Final = st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))
PAIRS: Final = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), st.integers(1, 9))
TALLIES: Final = st.builds(
    Totals,
    decisions=st.dictionaries(st.tuples(*[st.sampled_from("ab")] * 4), st.integers(1, 9)),
    token_errors=PAIRS,
    durations=st.builds(
        Durations,
        st.tuples(*[st.integers(0, 9)] * (len(BOUNDS) + 1)),
        st.integers(0, 9).map(float),
    ),
    caches=st.dictionaries(st.sampled_from("ab"), st.builds(CacheUse, *[st.integers(0, 9)] * 4)),
    key_uses=PAIRS.map(lambda pairs: {name: float(value) for name, value in pairs.items()}),
    leaves=PAIRS.map(lambda pairs: {name: LeafUse(float(value), 1.0) for name, value in pairs.items()}),
    seat_mismatches=COUNTS,
    unknown_seats=COUNTS,
    lines_dropped=COUNTS,
    spans_dropped=st.integers(0, 9),
    overloads=st.integers(0, 9),
    clients_refused=st.integers(0, 9),
    in_flight=st.integers(0, 9),
)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(TALLIES, TALLIES, TALLIES)
def test_tallies_add_up_in_any_order(one: Totals, two: Totals, three: Totals) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Totals() == one


def test_a_sum_holds_every_count_of_both() -> None:
    mine = Totals(
        decisions={("a", "", "", ""): 1},
        token_errors={("e", "i"): 1},
        durations=Durations((1,) * (len(BOUNDS) + 1), 0.5),
        caches={"tokens": CacheUse(1, 1, 1, 1)},
        key_uses={("i", "k"): 5.0},
        leaves={("i", "l"): LeafUse(5.0, 1.0)},
        seat_mismatches={"i": 1},
        unknown_seats={"i": 1},
        lines_dropped={"overflow": 1},
        spans_dropped=1,
        overloads=1,
        clients_refused=1,
        in_flight=1,
    )
    total = mine + replace(mine, key_uses={("i", "k"): 3.0}, leaves={("i", "l"): LeafUse(6.0, 2.0)})
    assert total == Totals(
        decisions={("a", "", "", ""): 2},
        token_errors={("e", "i"): 2},
        durations=Durations((2,) * (len(BOUNDS) + 1), 1.0),
        caches={"tokens": CacheUse(2, 2, 2, 2)},
        key_uses={("i", "k"): 5.0},
        leaves={("i", "l"): LeafUse(6.0, 2.0)},
        seat_mismatches={"i": 2},
        unknown_seats={"i": 2},
        lines_dropped={"overflow": 2},
        spans_dropped=2,
        overloads=2,
        clients_refused=2,
        in_flight=2,
    )


def test_counts_of_a_worker_that_is_gone_stay_and_what_it_held_does_not() -> None:
    state = State(lambda: WorkerCounts(2, 2, 0), lambda: True, PolicyState("A", 1.0))
    held = Totals(decisions={("a", "", "", ""): 3}, caches={"tokens": CacheUse(1, 2, 3, 4)}, in_flight=5)
    state.counted(1, held)
    state.counted(1, replace(held, decisions={("a", "", "", ""): 4}))
    state.counted(2, held)
    assert state.totals().decisions == {("a", "", "", ""): 7}
    state.ended(1)
    state.ended(7)
    total = state.totals()
    assert total.decisions == {("a", "", "", ""): 7}
    assert (total.caches["tokens"], total.in_flight) == (CacheUse(2, 4, 6, 4), 5)


def test_a_tally_is_small_enough_to_be_sent_every_second(policy: Policy) -> None:
    assert len(pickle.dumps(counted(observed(policy), observe(policy.judge, request("/nowhere"))))) < 10_000


def test_buckets_rise_from_fifty_microseconds() -> None:
    assert BOUNDS[0] == 0.000_05
    assert list(BOUNDS) == sorted(set(BOUNDS))
