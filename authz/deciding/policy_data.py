"""A policy as plain values, which one process can pickle and another make a judge of."""

from dataclasses import dataclass
from typing import Final

from authz.deciding.judge import Judge
from authz.deciding.rules import Rules
from authz.model import Issuer, Tiers
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.ring import KeyRing
from authz.tokens.revocations import Revocations
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier

TOKENS_CACHED: Final = 20_000
CHAINS_CACHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class PolicyData:
    """All that decisions are made from. `revision` is a digest of the files it was read from."""

    rules: Rules
    issuers: tuple[Issuer, ...]
    keys: KeyRing
    revocations: Revocations
    tiers: Tiers
    allow_unlabelled_routes: bool
    revision: str

    def judge(self) -> Judge:
        """Return a judge that decides by this policy, with empty caches."""
        signers = Signers(self.keys, ChainVerifier(self.keys.anchors, Cache(CHAINS_CACHED)))
        verifier = Verifier(self.issuers, signers, self.revocations, Cache(TOKENS_CACHED), self.named_claims())
        return Judge(self.rules, verifier, self.tiers, self.allow_unlabelled_routes, self.revision)

    def named_claims(self) -> frozenset[str]:
        """Return the claims that the policy names, beside those that every token has."""
        bound = {each.claim for issuer in self.issuers for each in issuer.bind}
        assigned = {each.claim for each in self.tiers.assign if each.claim}
        return self.rules.claims | bound | assigned
