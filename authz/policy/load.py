"""Loads a policy: reads both directories, and returns the judge with all that is known about it."""

from dataclasses import dataclass
from pathlib import Path

from authz.deciding.judge import Judge
from authz.deciding.policy_data import PolicyData
from authz.documents.findings import Findings, Problem
from authz.model import Issuer
from authz.policy.catalog.reader import read_catalog
from authz.policy.files import revision
from authz.policy.issuers import read_issuers
from authz.policy.revocations import read_revocations
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import read_tiers
from authz.policy.unread_files import report_misnamed, report_unknown_keys
from authz.tokens.keys.inventory import Trusted, trusted
from authz.tokens.keys.ring import read_keys


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was loaded: its data, a judge, the keys that it trusts, and what was odd in the files."""

    data: PolicyData
    judge: Judge
    trusted: Trusted
    warnings: tuple[Problem, ...]

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers whose tokens it accepts."""
        return self.data.issuers

    @property
    def revision(self) -> str:
        """The digest of the files."""
        return self.data.revision


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
    every = read_issuers(folder / "issuers.yml", catalog, findings)
    rules = read_rules(folder / "rules", catalog, findings, every or None)
    tiers = read_tiers(folder / "tiers.yml", findings, every or None)
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
    data = PolicyData(rules, issuers, ring, revocations, tiers, allow_unlabelled_routes, revision(folder, keys))
    return Policy(data, data.judge(), trusted(ring), tuple(findings.warnings))
