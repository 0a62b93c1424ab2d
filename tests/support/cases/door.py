"""The policies that the decision tables name, with test keys and a fixed clock."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import yaml

from authz.deciding.check import Check
from authz.deciding.judge import Judge, Judgement
from authz.deciding.observation import Observation
from authz.policy.load import load_policy
from tests.support.cases.case_file import POLICY
from tests.support.cases.chains import with_thumbprints
from tests.support.issuers import PRODUCTION, Profile, profiles
from tests.support.minting import NOW, write_anchors, write_keys
from tests.support.repository import CASES
from tests.support.signing import key

LAB: Final = CASES / "lab"
PROFILES: Final = {"shipped": PRODUCTION, "unlabelled": PRODUCTION, "lab": profiles(LAB / "issuers.yml")}
"""The issuers of each policy that a case may name."""


@dataclass(frozen=True, slots=True)
class Door:
    """One loaded policy, and the issuers of its callers' tokens."""

    judge: Judge
    profiles: Mapping[str, Profile]

    def answer(self, message: bytes) -> tuple[bytes, Judgement]:
        """Return the answer to a message, and the judgement that observers see."""
        seen: list[Observation] = []
        answer = Check(self.judge, lambda: float(NOW), _raise, seen.append)(message)
        return answer, seen[0].judgement


def open_doors(folder: Path) -> dict[str, Door]:
    """Load each policy that a case may name; their files are written to `folder`."""
    keys, lab = write_keys(folder / "keys"), _lab_policy(folder / "lab")
    write_anchors(keys, _chained(PRODUCTION))
    judges = {
        "shipped": _judge(POLICY, keys),
        "unlabelled": _judge(POLICY, keys, allow_unlabelled_routes=True),
        "lab": _judge(lab, _lab_keys(folder / "lab-keys")),
    }
    return {policy: Door(judge, PROFILES[policy]) for policy, judge in judges.items()}


def _judge(policy: Path, keys: Path, *, allow_unlabelled_routes: bool = False) -> Judge:
    loaded = load_policy(
        policy, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=allow_unlabelled_routes
    )
    return loaded.judge


def _raise(error: Exception) -> NoReturn:
    raise error


def _lab_policy(folder: Path) -> Path:
    shutil.copytree(POLICY, folder, ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(LAB, folder, ignore=shutil.ignore_patterns("keys.yaml"), dirs_exist_ok=True)
    revocations = folder / "revocations.yml"
    revocations.write_text(with_thumbprints(revocations.read_text(), PROFILES["lab"]["chained"]))
    return folder


def _lab_keys(folder: Path) -> Path:
    named: dict[str, dict[str, str]] = yaml.safe_load((LAB / "keys.yaml").read_text())
    write_keys(
        folder, {issuer: [key(kid, algorithm) for kid, algorithm in keys.items()] for issuer, keys in named.items()}
    )
    write_anchors(folder, _chained(PROFILES["lab"]))
    return folder


def _chained(issuers: Mapping[str, Profile]) -> list[str]:
    return [name for name, profile in issuers.items() if profile.has_anchors]
