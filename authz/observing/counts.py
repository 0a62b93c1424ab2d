"""What one worker counts about its answers, in plain dictionaries."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from authz.deciding import facts
from authz.deciding.decision import Allowed
from authz.deciding.judge import Judgement
from authz.deciding.observation import Observation
from authz.deciding.reasons import Reason
from authz.model import AnyOf
from authz.observing.totals import BOUNDS, Durations, LeafUse, Totals, merged
from authz.tokens.cache import CacheUse
from authz.tokens.keys.key import Signer
from authz.tokens.proof import Proof, Refusal

K = TypeVar("K")


MAX_LEAVES: Final = 64
NO_ISSUER: Final = "unknown"


class Counts:
    """Counts answers. One thread observes; another may take snapshots meanwhile."""

    def __init__(self) -> None:
        self._decisions: dict[tuple[str, str, str, str], int] = {}
        self._token_errors: dict[tuple[str, str], int] = {}
        self._durations = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._key_uses: dict[tuple[str, str], float] = {}
        self._leaves: dict[tuple[str, str], LeafUse] = {}
        self._shadow_decisions: dict[tuple[str, str, str], int] = {}
        self._seat_mismatches: dict[str, int] = {}
        self._unknown_seats: dict[str, int] = {}
        self._overloads = 0
        self._clients_refused = 0
        self._memory_use: Callable[[], Mapping[str, CacheUse]] = dict
        self._former_use: Mapping[str, CacheUse] = {}

    def follow(self, cache_use: Callable[[], Mapping[str, CacheUse]]) -> None:
        """Count the use of another policy's caches from now on; earlier counts are kept."""
        self._former_use = {name: replace(use, entries=0) for name, use in self._memories().items()}
        self._memory_use = cache_use

    def observe(self, observation: Observation) -> None:
        """Count an answer."""
        judgement, seconds = observation.judgement, observation.seconds
        decision = judgement.decision
        if isinstance(decision, Allowed):
            identity = decision.identity
            reason, granted = (Reason.PUBLIC, "") if identity is None else (Reason.ALLOWED, identity.unit_primitive)
        else:
            reason, granted = decision.reason, _refused(judgement)
        key = (reason, decision.backend_service or "", granted, judgement.caller.tier if judgement.caller else "")
        _count(self._decisions, key)
        if judgement.shadow is not None:
            _count(self._shadow_decisions, (reason, judgement.shadow.reason, decision.backend_service or ""))
        self._durations[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds
        if judgement.token is not None:
            self._observe_token(judgement.token, observation)

    def overloaded(self) -> None:
        """Count a check that was refused because too many were open."""
        self._overloads += 1

    def client_refused(self) -> None:
        """Count a call of a client whose certificate has no name that may ask."""
        self._clients_refused += 1

    def snapshot(self, in_flight: int, lines_dropped: Mapping[str, int], spans_dropped: int) -> Totals:
        """Return the counts so far. Copying a dictionary is one step, so the worker may go on counting."""
        return Totals(
            decisions=self._decisions.copy(),
            token_errors=self._token_errors.copy(),
            durations=Durations(tuple(self._durations), self._seconds),
            caches=self._memories(),
            key_uses=self._key_uses.copy(),
            leaves=self._leaves.copy(),
            shadow_decisions=self._shadow_decisions.copy(),
            seat_mismatches=self._seat_mismatches.copy(),
            unknown_seats=self._unknown_seats.copy(),
            lines_dropped=dict(lines_dropped),
            spans_dropped=spans_dropped,
            overloads=self._overloads,
            clients_refused=self._clients_refused,
            in_flight=in_flight,
        )

    def _memories(self) -> Mapping[str, CacheUse]:
        return merged(self._former_use, self._memory_use())

    def _observe_token(self, token: Proof | Refusal, observation: Observation) -> None:
        if isinstance(token, Refusal):
            issuer = NO_ISSUER if token.issuer is None else token.issuer.name
            _count(self._token_errors, (token.error, issuer))
        signer, claims = token.signer, token.claims
        if signer is None:
            return
        self._observe_signer(signer, observation.at or 0.0)
        if claims is None or observation.request is None:
            return
        if claims.seats is None:
            _count(self._unknown_seats, claims.issuer.name)
            return
        claimed = observation.request.headers.get(facts.SEATS_HEADER)
        if claimed and claimed != str(claims.seats):
            _count(self._seat_mismatches, claims.issuer.name)

    def _observe_signer(self, signer: Signer, at: float) -> None:
        key = signer.key
        name = (key.issuer, key.kid)
        if not signer.thumbprints:
            self._key_uses[name] = at
            return
        leaves = self._leaves
        if name not in leaves and len(leaves) >= MAX_LEAVES:
            del leaves[min(leaves, key=lambda known: leaves[known].last)]
        leaves[name] = LeafUse(at, signer.valid_until)


def _count(counts: dict[K, int], label: K) -> None:
    counts[label] = counts.get(label, 0) + 1


def _refused(judgement: Judgement) -> str:
    """Name the unit primitives that a refused request would have needed: all of `a,b`, one of `a|b`."""
    demanded = judgement.demanded
    return "" if demanded is None else ("|" if isinstance(demanded, AnyOf) else ",").join(demanded.unit_primitives)
