"""Decides on a request by one policy. The checks are listed in their order; the first that fails answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from authz.deciding import facts
from authz.deciding.access import Caller, decide, demand, identify
from authz.deciding.correlation import NO_IDS, Ids, correlate
from authz.deciding.decision import Allowed, Decision, Denied
from authz.deciding.reasons import Reason
from authz.deciding.rules import Rules
from authz.model import AllOf, AnyOf, BackendService, Claims, PublicRule, Request, Rule, Tiers
from authz.tokens.cache import CacheUse
from authz.tokens.proof import Proof, Refusal
from authz.tokens.verifier import Verifier

_BEARER: Final = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE | re.ASCII)


class Judgement(NamedTuple):
    """A decision and what the checks found before it was made, each part as far as they came.

    `demanded` are the unit primitives that the request needs; None where it needs none or does not say. `caller` is
    there once a token is proven, refused or not. A tuple is made in half the time of a frozen dataclass
    (benchmarks/observe.py).
    """

    decision: Decision
    ids: Ids = NO_IDS
    rule: Rule | None = None
    demanded: AllOf | AnyOf | None = None
    token: Proof | Refusal | None = None
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Everything that a decision depends on. `revision` is a digest of the files it was read from."""

    rules: Rules
    verifier: Verifier
    tiers: Tiers
    allow_unlabelled_routes: bool
    revision: str

    def judge(self, request: Request, now: float) -> Judgement:
        """Decide on a request at `now`, in seconds since the epoch."""
        headers = request.headers
        ids = correlate(headers)
        rule = self.rules.match(request.method, request.target)
        if isinstance(rule, Denied):
            return Judgement(rule, ids)
        backend = rule.backend
        if request.label != backend.name and (request.label is not None or not self.allow_unlabelled_routes):
            disagreement = Denied(Reason.BACKEND_DISAGREEMENT, backend_service=backend.name)
            demanded = None if isinstance(rule, PublicRule) else _named(demand(rule, headers))
            return Judgement(disagreement, ids, rule, demanded)
        if isinstance(rule, PublicRule):
            return Judgement(Allowed(backend.name, None), ids, rule)
        wanted = demand(rule, headers)
        demanded = _named(wanted)
        token = credentials(headers, backend)
        if isinstance(token, Denied):
            return Judgement(token, ids, rule, demanded)
        verdict = self.verifier.verify(token, backend, now)
        if isinstance(verdict, Refusal):
            suspect = None if verdict.claims is None else self._identify(headers, verdict.claims)
            return Judgement(_invalid(verdict, backend), ids, rule, demanded, verdict, suspect)
        caller = self._identify(headers, verdict.claims)
        decision = decide(headers, rule, wanted, verdict.claims, caller)
        return Judgement(decision, ids, rule, demanded, verdict, caller)

    def _identify(self, headers: Mapping[str, str], claims: Claims) -> Caller:
        return identify(headers, claims, self.tiers.of(claims.seats))

    def cache_use(self) -> Mapping[str, CacheUse]:
        """Say how the caches of proven tokens and chains were used since this policy was loaded."""
        return self.verifier.cache_use()


def credentials(headers: Mapping[str, str], backend: BackendService) -> str | Denied:
    """Return the token that a request presents, not yet verified."""
    authorization = headers.get(facts.AUTHORIZATION)
    if not authorization:
        return Denied(Reason.MISSING_AUTHORIZATION, backend_service=backend.name)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        return Denied(Reason.MALFORMED_AUTHORIZATION, backend_service=backend.name)
    if headers.get(facts.AUTHENTICATION_TYPE) != "oidc":
        return Denied(Reason.UNSUPPORTED_AUTHENTICATION_TYPE, backend_service=backend.name)
    return bearer[1]


def _named(wanted: AllOf | AnyOf | Reason) -> AllOf | AnyOf | None:
    return None if isinstance(wanted, Reason) else wanted


def _invalid(refusal: Refusal, backend: BackendService) -> Denied:
    return Denied(
        Reason.INVALID_TOKEN,
        backend_service=backend.name,
        token_error=refusal.error,
        signature_valid=refusal.signature_valid,
    )
