"""A snapshot: policy and keys as they were at one moment, loaded once, in a file that every worker starts from."""

import errno
import os
import pickle
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from authz.documents.findings import ConfigurationError, Problem
from authz.policy.files import files, folders, revision
from authz.policy.load import Policy, load_policy
from authz.serving.messages import Load
from authz.serving.settings import ServeSettings
from authz.tokens.keys.inventory import Trusted

TRIES: Final = 5
_DATA: Final = "policy.pickle"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where policy and keys lie, and what of them is to be loaded."""

    policy: Path
    keys: Path
    environment: str
    allow_empty_issuers: bool
    allow_unlabelled_routes: bool

    @classmethod
    def of(cls, settings: ServeSettings) -> "Sources":
        """Return the sources that a service was requested to load."""
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

    def revision(self) -> str:
        """Return the digest of the files in both folders."""
        return revision(self.policy, self.keys)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder with the policy's data for workers, and what the supervisor needs to know of the policy.

    `issuers` are names; `keyed` are those of them that can be verified: they have a key or a trust anchor.
    """

    folder: Path
    revision: str
    issuers: tuple[str, ...]
    keyed: frozenset[str]
    trusted: Trusted
    warnings: tuple[Problem, ...]

    def order(self) -> Load:
        """Return what tells a worker to load it."""
        return Load(self.folder / _DATA, self.revision)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take(sources: Sources, folder: Path, running: Snapshot | None) -> Snapshot:
    """Load policy and keys as they are at one moment, and write what workers need into a new folder.

    Raises ConfigurationError: something in them is wrong, they change all the time, or an issuer has lost the keys that
    it has in the snapshot that is `running`. Raises OSError where the folder cannot be written.
    """
    try:
        copies = _copied(sources, folder)
        snapshot = _loaded(sources, copies, folder)
        _refuse_loss(sources, snapshot, running)
        for copy in (copies.policy, copies.keys):
            shutil.rmtree(copy, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return snapshot


def _copied(sources: Sources, folder: Path) -> Sources:
    """Copy both folders. The copy is of one moment if its digest is the one that the originals had before."""
    copies = replace(sources, policy=folder / "policy", keys=folder / "keys")
    for _ in range(TRIES):
        before = sources.revision()
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError, FileExistsError):  # something was moved in between
            _copy(sources.policy, copies.policy)
            _copy(sources.keys, copies.keys)
            if copies.revision() == before:
                return copies
        shutil.rmtree(folder)
    raise ConfigurationError([Problem(sources.policy, 0, "changes while it is read, and so may the keys: try again")])


def _copy(original: Path, copy: Path) -> None:
    """Copy the files that a policy is read from. All else is there by its name, so that the same is wrong with it."""
    if _is_locked(original):
        copy.symlink_to(original.absolute())
    for folder in folders(original):
        inside = _within(copy, folder.relative_to(original))
        inside.mkdir(exist_ok=True)
        for name in os.listdir(folder):  # noqa: PTH208  names suffice
            is_folder = os.path.isdir(folder / name)  # noqa: PTH112  Path.is_dir raises where links lead in a circle
            if is_folder and not _is_locked(folder / name):
                (inside / name).mkdir(exist_ok=True)
            else:
                # Reading it meets the same obstacle: no permission, or a link that leads nowhere.
                (inside / name).symlink_to((folder / name).absolute())
    for file, content in files(original):
        target = _within(copy, file.parent) / file.name
        target.unlink()
        target.write_bytes(content)


def _within(copy: Path, folder: Path) -> Path:
    """Return a folder of the copy. Raises FileExistsError where a link leads from it to the originals.

    That folder was locked a moment ago and is not any more: nothing may be written through the link.
    """
    inside = copy / folder
    if not inside.resolve().is_relative_to(copy.parent.resolve() / copy.name):
        raise FileExistsError(errno.EEXIST, "was locked a moment ago", str(inside))
    return inside


def _is_locked(folder: Path) -> bool:
    """Return whether this is a folder that this process may not read."""
    # Path.is_dir raises where links lead in a circle.
    return os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True)  # noqa: PTH112


def _loaded(sources: Sources, copies: Sources, folder: Path) -> Snapshot:
    def at_home(problem: Problem) -> Problem:
        """Return a problem with the names that the owners of the files know."""
        file, message = str(problem.file), problem.message
        for copy, original in ((copies.policy, sources.policy), (copies.keys, sources.keys)):
            file, message = file.replace(str(copy), str(original)), message.replace(str(copy), str(original))
        return Problem(Path(file), problem.line, message)

    try:
        policy = copies.load()
    except ConfigurationError as error:
        raise ConfigurationError([*map(at_home, error.problems)], [*map(at_home, error.warnings)]) from None
    (folder / _DATA).write_bytes(pickle.dumps(policy.data))
    trusted = policy.trusted
    return Snapshot(
        folder=folder,
        revision=policy.revision,
        issuers=tuple(issuer.name for issuer in policy.issuers),
        keyed=frozenset([*(key.issuer for key in trusted.keys), *(anchor.issuer for anchor in trusted.anchors)]),
        trusted=trusted,
        warnings=tuple(map(at_home, policy.warnings)),
    )


def _refuse_loss(sources: Sources, snapshot: Snapshot, running: Snapshot | None) -> None:
    """Refuse to leave an issuer without keys that has some now: an emptied folder is more likely a mistake."""
    before = frozenset[str]() if running is None else running.keyed
    lost = sorted(before.intersection(snapshot.issuers) - snapshot.keyed)
    if lost:
        remedy = "put one back, or restart with --allow-empty-issuers"
        raise ConfigurationError(
            [Problem(sources.keys, 0, f"issuer '{name}' has keys in force and none here: {remedy}") for name in lost]
        )
