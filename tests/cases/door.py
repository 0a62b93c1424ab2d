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
from tests.minting import NOW, PRODUCTION, Profile, write_keys
from tests.signing import key

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Door", "open_doors"]

LAB: Final = Path(__file__).parent / "lab"


@dataclass(frozen=True, slots=True)
class Door:
    """One policy in force, and the issuers that its callers have tokens from."""

    check: Check
    profiles: Mapping[str, Profile]


def open_doors(folder: Path) -> dict[str, Door]:
    """Return the door of each policy that a case may name; their files go into `folder`."""
    keys, lab = write_keys(folder / "keys"), _lab_policy(folder / "lab")
    return {
        "shipped": Door(_check(POLICY, keys), PRODUCTION),
        "unlabelled": Door(_check(POLICY, keys, allow_unlabelled_routes=True), PRODUCTION),
        "lab": Door(_check(lab, _lab_keys(folder / "lab-keys")), _lab_profiles()),
    }


def _check(policy: Path, keys: Path, *, allow_unlabelled_routes: bool = False) -> Check:
    loaded = load_policy(
        policy, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=allow_unlabelled_routes
    )
    return Check(loaded, lambda: float(NOW), _raise)


def _raise(error: Exception) -> NoReturn:
    raise error


def _lab_policy(folder: Path) -> Path:
    shutil.copytree(POLICY, folder, ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(LAB, folder, ignore=shutil.ignore_patterns("keys.yaml"), dirs_exist_ok=True)
    return folder


def _lab_keys(folder: Path) -> Path:
    named: dict[str, dict[str, str]] = yaml.safe_load((LAB / "keys.yaml").read_text())
    return write_keys(
        folder, {issuer: [key(kid, algorithm) for kid, algorithm in keys.items()] for issuer, keys in named.items()}
    )


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
            )
            for entry in yaml.safe_load((LAB / "issuers.yml").read_text())["issuers"]
        }
    )
