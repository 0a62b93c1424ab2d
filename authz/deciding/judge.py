"""Decides on a request by one policy. The checks are listed in their order; the first that fails answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from authz.deciding import facts
from authz.deciding.access import Caller, decide, demand, identify
from authz.deciding.correlation import NO_IDS, Ids, correlate
from authz.deciding.decision import Allowed, Decision, Denied
from authz.deciding.reasons import Reason
from authz.deciding.rules import Rules
from authz.model import (
    AllOf,
    AnyOf,
    BackendService,
    Claims,
    Demand,
    Gone,
    GoneRule,
    PublicRule,
    Request,
    Rule,
    Tiers,
    TokenRule,
)
from authz.tokens.cache import CacheUse
from authz.tokens.proof import Proof, Refusal
from authz.tokens.verifier import Verifier

_BEARER: Final = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE | re.ASCII)


class Judgement(NamedTuple):
    """A decision and what the checks found before it was made, each part as far as they came.

    `demanded` are the unit primitives that the request needs; None where it needs none or does not say. `caller` is
    there once a token is proven, refused or not. `shadow` is the decision of the rule that is tried (`shadow: true`).
    A tuple is made in half the time of a frozen dataclass (benchmarks/observe.py).
    """

    decision: Decision
    ids: Ids = NO_IDS
    rule: Rule | None = None
    demanded: AllOf | AnyOf | None = None
    token: Proof | Refusal | None = None
    caller: Caller | None = None
    shadow: Decision | None = None


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
        ids = correlate(request.headers)
        rule = self.rules.match(request.method, request.target)
        if isinstance(rule, Denied):
            return Judgement(rule, ids)
        backend = rule.backend
        if request.label != backend.name and (request.label is not None or not self.allow_unlabelled_routes):
            disagreement = Denied(Reason.BACKEND_DISAGREEMENT, backend_service=backend.name)
            demanded = _named(demand(rule, request.headers)) if isinstance(rule, TokenRule) else None
            return Judgement(disagreement, ids, rule, demanded)
        judgement = self._by_rule(rule, request, ids, now)
        if rule.shadow is None:
            return judgement
        return judgement._replace(shadow=self._by_rule(rule.shadow, request, ids, now).decision)

    def _by_rule(self, rule: Rule, request: Request, ids: Ids, now: float) -> Judgement:
        headers, backend = request.headers, rule.backend
        if isinstance(rule, GoneRule):
            return Judgement(_gone(rule.gone, backend), ids, rule)
        if rule.gone is not None and rule.gone.at <= now:
            return Judgement(_gone(rule.gone, backend), ids, rule)
        if isinstance(rule, PublicRule):
            return Judgement(Allowed(backend.name, None), ids, rule)
        wanted = demand(rule, headers)
        demanded = _named(wanted)
        token = credentials(headers, rule)
        if isinstance(token, Denied):
            return Judgement(token, ids, rule, demanded)
        verdict = self.verifier.verify(token, backend, now)
        if isinstance(verdict, Refusal):
            suspect = None if verdict.claims is None else self._identify(headers, verdict.claims)
            return Judgement(_invalid(verdict, backend), ids, rule, demanded, verdict, suspect)
        caller = self._identify(headers, verdict.claims)
        decision = decide(headers, rule, wanted, verdict.claims, caller)
        if rule.ends_with_token and isinstance(decision, Allowed):
            ends = min(verdict.claims.expires + verdict.issuer.expiry_leeway, verdict.signer.valid_until)
            decision = replace(decision, stream_seconds=ends - now)
        return Judgement(decision, ids, rule, demanded, verdict, caller)

    def _identify(self, headers: Mapping[str, str], claims: Claims) -> Caller:
        return identify(headers, claims, self.tiers.of(claims))

    def cache_use(self) -> Mapping[str, CacheUse]:
        """Say how the caches of proven tokens and chains were used since this policy was loaded."""
        return self.verifier.cache_use()


def credentials(headers: Mapping[str, str], rule: TokenRule) -> str | Denied:
    """Return the token that a request presents, not yet verified."""
    backend = rule.backend
    authorization = headers.get(facts.AUTHORIZATION)
    if not authorization:
        return Denied(Reason.MISSING_AUTHORIZATION, backend_service=backend.name)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        return Denied(Reason.MALFORMED_AUTHORIZATION, backend_service=backend.name)
    authentication_type = headers.get(facts.AUTHENTICATION_TYPE)
    if authentication_type != "oidc" and (authentication_type is not None or rule.needs_authentication_type):
        return Denied(Reason.UNSUPPORTED_AUTHENTICATION_TYPE, backend_service=backend.name)
    return bearer[1]


def _gone(gone: Gone, backend: BackendService) -> Denied:
    return Denied(Reason.GONE, backend_service=backend.name, text=gone.text)


def _named(wanted: Demand | Denied) -> AllOf | AnyOf | None:
    return wanted if isinstance(wanted, AllOf | AnyOf) else None


def _invalid(refusal: Refusal, backend: BackendService) -> Denied:
    return Denied(
        Reason.INVALID_TOKEN,
        backend_service=backend.name,
        token_error=refusal.error,
        signature_valid=refusal.signature_valid,
    )
