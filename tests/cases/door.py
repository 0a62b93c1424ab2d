"""The service's heart on the policies of the tables, with test keys and a clock that stands still."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

import yaml

from authz.check import Check
from authz.policy import load_policy
from tests.cases.case_file import POLICY
from tests.cases.chains import ROOT, with_thumbprints
from tests.certificates import pem
from tests.minting import NOW, PRODUCTION, Profile, write_keys
from tests.signing import key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Door", "open_doors"]

LAB: Final = Path(__file__).parent / "lab"


@dataclass(frozen=True, slots=True)
class Door:
    """One policy in force, and the issuers that its callers have tokens from."""

    check: Check
    profiles: Mapping[str, Profile]


def open_doors(folder: Path) -> dict[str, Door]:
    """Return the door of each policy that a case may name; their files go into `folder`."""
    profiles = _lab_profiles()
    keys, lab = write_keys(folder / "keys"), _lab_policy(folder / "lab", profiles["chained"])
    _write_anchors(keys, ["gitlab-com", "customers-dot"])
    return {
        "shipped": Door(_check(POLICY, keys), PRODUCTION),
        "unlabelled": Door(_check(POLICY, keys, allow_unlabelled_routes=True), PRODUCTION),
        "lab": Door(_check(lab, _lab_keys(folder / "lab-keys")), profiles),
    }


def _check(policy: Path, keys: Path, *, allow_unlabelled_routes: bool = False) -> Check:
    loaded = load_policy(
        policy, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=allow_unlabelled_routes
    )
    return Check(loaded, lambda: float(NOW), _raise)


def _raise(error: Exception) -> NoReturn:
    raise error


def _lab_policy(folder: Path, profile: Profile) -> Path:
    shutil.copytree(POLICY, folder, ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(LAB, folder, ignore=shutil.ignore_patterns("keys.yaml"), dirs_exist_ok=True)
    revocations = folder / "revocations.yml"
    revocations.write_text(with_thumbprints(revocations.read_text(), profile))
    return folder


def _write_anchors(folder: Path, issuers: Iterable[str]) -> None:
    for issuer in issuers:
        (folder / f"{issuer}.ca.pem").write_text(pem([ROOT]))


def _lab_keys(folder: Path) -> Path:
    named: dict[str, dict[str, str]] = yaml.safe_load((LAB / "keys.yaml").read_text())
    write_keys(
        folder, {issuer: [key(kid, algorithm) for kid, algorithm in keys.items()] for issuer, keys in named.items()}
    )
    issuers = yaml.safe_load((LAB / "issuers.yml").read_text())["issuers"]
    _write_anchors(folder, (entry["name"] for entry in issuers if "certificate_chain" in entry.get("trust", ())))
    return folder


def _lab_profiles() -> Mapping[str, Profile]:
    """Describe the lab's issuers as its own file does, so that a new one needs no Python."""
    return MappingProxyType(
        {
            entry["name"]: Profile(
                name=entry["name"],
                identifier=entry["issuer"],
                realm="self-managed",
                lifetime=3600,
                speaks_for_user=entry["token_type"] == "user",
                algorithm=entry.get("algorithms", ["RS256"])[0],
                certified_as=entry.get("certificate_identity", ""),
            )
            for entry in yaml.safe_load((LAB / "issuers.yml").read_text())["issuers"]
        }
    )
