"""A judgement: a decision, and what it was made from, for those who log, count or explain it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from authz.deciding.decision import Decision
from authz.model import AllOf, AnyOf, Issuer, Rule, TokenRule
from authz.tokens.proof import Proof
from authz.tokens.refusal import Refusal


class Judgement(NamedTuple):
    """A decision with the rule, the token's verdict and the tier, each as far as it came to them.

    A tuple for the same reason as `Observation`.
    """

    decision: Decision
    rule: Rule | None = None
    token: Proof | Refusal | None = None
    tier: str = ""


def named_issuer(token: Proof | Refusal | None) -> Issuer | None:
    """Return the issuer of ours that a token names, proven or not."""
    if isinstance(token, Refusal):
        return token.issuer
    return None if token is None else token.claims.issuer


def demanded(rule: Rule | None, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the unit primitives that a rule asks for, in its order; one that a header names only if it may.

    All of it stands in the policy, so that a client cannot make up another.
    """
    if not isinstance(rule, TokenRule):
        return ()
    access = rule.access
    if isinstance(access, AllOf | AnyOf):
        return access.unit_primitives
    named = headers.get(access.header, "")
    return (named,) if named in access.allowed else ()
