"""Loads a policy: reads both directories, and returns the judge with all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.deciding.judge import Judge
from authz.documents.findings import Findings, Problem
from authz.model import Issuer
from authz.policy.catalog.reader import read_catalog
from authz.policy.files import revision
from authz.policy.issuers import read_issuers
from authz.policy.revocations import read_revocations
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import read_tiers
from authz.policy.unread_files import report_misnamed, report_unknown_keys
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.inventory import Trusted, trusted
from authz.tokens.keys.ring import read_keys
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier

TOKENS_CACHED: Final = 20_000
CHAINS_CACHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was loaded: the judge, the issuers and keys that it believes, and what was odd in the files."""

    judge: Judge
    issuers: tuple[Issuer, ...]
    trusted: Trusted
    warnings: tuple[Problem, ...]

    @property
    def revision(self) -> str:
        """The digest of the files."""
        return self.judge.revision


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
    report_misnamed(folder, findings)
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
        report_unknown_keys(keys, names, findings)
    ring = read_keys(keys, issuers, allow_empty=allow_empty_issuers, findings=findings)
    revocations = read_revocations(folder / "revocations.yml", names, ring.by_issuer, findings)
    findings.conclude()
    signers = Signers(ring, ChainVerifier(ring.anchors, Cache(CHAINS_CACHED)))
    verifier = Verifier(issuers, signers, revocations, Cache(TOKENS_CACHED))
    judge = Judge(rules, verifier, tiers, allow_unlabelled_routes, revision(folder, keys))
    return Policy(judge, issuers, trusted(ring), tuple(findings.warnings))
