"""A snapshot: one consistent copy of policy and keys, which every worker loads, whatever happens to the originals."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from authz.documents.findings import ConfigurationError, Problem
from authz.policy.files import files
from authz.policy.load import Policy, load_policy
from authz.serving.messages import Load
from authz.serving.settings import ServeSettings

TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Sources:
    """Where policy and keys lie, and what of them is to be loaded."""

    policy: Path
    keys: Path
    environment: str
    allow_empty_issuers: bool
    allow_unlabelled_routes: bool

    @classmethod
    def of(cls, settings: ServeSettings) -> Sources:
        """Return the sources that a service was asked to load."""
        return cls(
            settings.policy,
            settings.keys,
            settings.environment,
            settings.allow_empty_issuers,
            settings.allow_unlabelled_routes,
        )

    def load(self) -> Policy:
        """Read both folders. Raises ConfigurationError with every problem of both."""
        return load_policy(
            self.policy,
            self.keys,
            self.environment,
            allow_empty_issuers=self.allow_empty_issuers,
            allow_unlabelled_routes=self.allow_unlabelled_routes,
        )

    def within(self, folder: Path) -> Sources:
        """Return the same sources, as a snapshot's folder holds them."""
        return replace(self, policy=folder / "policy", keys=folder / "keys")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder that nobody changes, the revision of what lies in it, and the policy that it makes.

    `keyed` names the issuers that can be verified: those with a key or a trust anchor.
    """

    folder: Path
    policy: Policy
    keyed: frozenset[str]

    @property
    def revision(self) -> str:
        """Return the digest of the files."""
        return self.policy.revision

    def order(self) -> Load:
        """Return what tells a worker to load it."""
        return Load(self.folder, self.revision)

    def remove(self) -> None:
        """Delete the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take(sources: Sources, folder: Path, running: Snapshot | None) -> Snapshot:
    """Copy policy and keys into a new folder, as they were at one moment.

    Raises ConfigurationError: something in them is wrong, they do not hold still, or an issuer has lost the keys that
    it has in the snapshot that is `running`. Raises OSError where the copy cannot be written.
    """
    try:
        snapshot = _settled(sources, folder)
        _refuse_loss(sources, snapshot, running)
    except (ConfigurationError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return snapshot


def _settled(sources: Sources, folder: Path) -> Snapshot:
    for _ in range(TRIES):
        original = sources.load()  # what is wrong or doubtful is told with the names that its owners know
        copied = _copied(sources, folder)
        if copied is not None and copied.revision == original.revision:
            told = replace(copied, warnings=original.warnings)
            return Snapshot(folder, told, _keyed(copied))
        shutil.rmtree(folder)
    raise ConfigurationError([Problem(sources.policy, 0, "changes while it is read, and so may the keys: try again")])


def _copied(sources: Sources, folder: Path) -> Policy | None:
    """Copy what a revision is made of, and load the copy, or return None where that is not what was there before."""
    copies = sources.within(folder)
    for original, copy in ((sources.policy, copies.policy), (sources.keys, copies.keys)):
        copy.mkdir(parents=True)
        for name, content in files(original):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
    try:
        return copies.load()
    except ConfigurationError:
        return None


def _keyed(policy: Policy) -> frozenset[str]:
    trusted = policy.trusted
    return frozenset([*(key.issuer for key in trusted.keys), *(anchor.issuer for anchor in trusted.anchors)])


def _refuse_loss(sources: Sources, snapshot: Snapshot, running: Snapshot | None) -> None:
    """Refuse to leave an issuer without keys that has some now: a folder that was emptied is more likely a slip."""
    held = frozenset[str]() if running is None else running.keyed
    lost = sorted(issuer.name for issuer in snapshot.policy.issuers if issuer.name in held - snapshot.keyed)
    if lost:
        mend = "put one back, or start anew with --allow-empty-issuers"
        raise ConfigurationError(
            [Problem(sources.keys, 0, f"issuer '{name}' has keys in force and none here: {mend}") for name in lost]
        )
