"""A policy: rules, verifier and tiers of one moment, bound together; reloading swaps one reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.deciding.decision import Allowed, Decision, Denied, credentials, decide, label_denial
from authz.deciding.judgement import Judgement
from authz.deciding.reasons import Reason
from authz.deciding.rules import Rules
from authz.documents.findings import Findings, Problem
from authz.model import BackendService, Claims, Issuer, PublicRule, Request
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import read_catalog
from authz.policy.files import revision
from authz.policy.issuers import read_issuers
from authz.policy.revocations import read_revocations
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import Tiers, read_tiers
from authz.policy.unread_files import report_near_misses, report_strange_keys
from authz.tokens.cache import Memory, MemoryUse
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.inventory import Trusted, trusted
from authz.tokens.keys.ring import read_keys
from authz.tokens.refusal import Refusal
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier

TOKENS_REMEMBERED: Final = 20_000
CHAINS_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a decision depends on. `revision` is a digest of the files it was read from."""

    catalog: Catalog
    issuers: tuple[Issuer, ...]
    rules: Rules
    signers: Signers
    verifier: Verifier
    tiers: Tiers
    allow_unlabelled_routes: bool
    revision: str
    warnings: tuple[Problem, ...]
    trusted: Trusted

    def authorize(self, request: Request, now: float) -> Decision:
        """Decide on a request at `now`, in seconds since the epoch; the first check that fails answers."""
        return self.judge(request, now).decision

    def judge(self, request: Request, now: float) -> Judgement:
        """Decide the same, and say from what."""
        rule = self.rules.match(request.method, request.target)
        if isinstance(rule, Denied):
            return Judgement(rule)
        if request.label is not None or not self.allow_unlabelled_routes:
            disagreement = label_denial(request, rule)
            if disagreement is not None:
                return Judgement(disagreement, rule)
        backend = rule.backend
        if isinstance(rule, PublicRule):
            return Judgement(Allowed(backend.name, None), rule)
        token = credentials(request, rule)
        if isinstance(token, Denied):
            return Judgement(token, rule)
        proof = self.verifier.verify(token, backend, now)
        if isinstance(proof, Refusal):
            return Judgement(_invalid(proof, backend), rule, proof, self._tier(proof.claims))
        tier = self.tiers.of(proof.claims.seats)
        return Judgement(decide(request, rule, proof.claims, tier), rule, proof, tier)

    def memory_use(self) -> dict[str, MemoryUse]:
        """Say what came of remembering proven tokens and chains, since this policy was loaded."""
        return {"tokens": self.verifier.memory_use(), "chains": self.signers.memory_use()}

    def _tier(self, claims: Claims | None) -> str:
        return "" if claims is None else self.tiers.of(claims.seats)


def _invalid(refusal: Refusal, backend: BackendService) -> Denied:
    return Denied(
        Reason.INVALID_TOKEN,
        backend_service=backend.name,
        token_error=refusal.error,
        signature_valid=refusal.signature_valid,
    )


def load_policy(
    folder: Path,
    keys: Path,
    environment: str,
    *,
    allow_empty_issuers: bool,
    allow_unlabelled_routes: bool,
) -> Policy:
    """Read a policy directory and a keys directory. Raises ConfigurationError with every problem of both."""
    findings = Findings()
    if not folder.is_dir():
        findings.problem(folder, 0, "is not a directory: name a policy directory with --policy")
        findings.conclude()
    report_near_misses(folder, findings)
    catalog = read_catalog(folder, findings)
    rules = read_rules(folder / "rules", catalog, findings)
    tiers = read_tiers(folder / "tiers.yml", findings)
    every = read_issuers(folder / "issuers.yml", catalog, findings)
    names = frozenset(issuer.name for issuer in every)
    issuers = tuple(issuer for issuer in every if issuer.environment == environment)
    if every and not issuers:
        known = ", ".join(sorted({issuer.environment for issuer in every}))
        findings.problem(folder / "issuers.yml", 0, f"environment '{environment}' has no issuer; there are: {known}")
    if names:
        report_strange_keys(keys, names, findings)
    ring = read_keys(keys, issuers, allow_empty=allow_empty_issuers, findings=findings)
    revocations = read_revocations(folder / "revocations.yml", names, ring.by_issuer, findings)
    findings.conclude()
    signers = Signers(ring, ChainVerifier(ring.anchors, Memory(CHAINS_REMEMBERED)))
    return Policy(
        catalog=catalog,
        issuers=issuers,
        rules=rules,
        signers=signers,
        verifier=Verifier(issuers, signers, revocations, Memory(TOKENS_REMEMBERED)),
        tiers=tiers,
        allow_unlabelled_routes=allow_unlabelled_routes,
        revision=revision(folder, keys),
        warnings=tuple(findings.warnings),
        trusted=trusted(ring),
    )
