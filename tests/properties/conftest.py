"""One policy, one keyset and one clock for all properties."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from authz.deciding.check import Check
from authz.documents.findings import Findings
from authz.policy.load import Policy, load_policy
from authz.tokens.keys.ring import KeyRing, read_keys
from tests.support.minting import write_keys
from tests.support.properties.strategies import FORMS
from tests.support.properties.twin import TwinRule, read_rules
from tests.support.repository import PACKAGED_POLICY
from tests.support.shipped import check_by

settings.register_profile(
    "rules", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("rules")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def ring(keys: Path, policy: Policy) -> KeyRing:
    findings = Findings()
    found = read_keys(keys, policy.issuers, allow_empty=False, findings=findings)
    findings.conclude()
    return found


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policy, with rules of the forms that it does not need."""
    folder = tmp_path_factory.mktemp("policy") / "policy"
    shutil.copytree(PACKAGED_POLICY, folder, ignore=shutil.ignore_patterns("keys"))
    shutil.copy(FORMS, folder / "rules")
    return folder


@pytest.fixture(scope="session")
def policy(keys: Path, policy_folder: Path) -> Policy:
    return load_policy(policy_folder, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)


@pytest.fixture(scope="session")
def check(policy: Policy) -> Check:
    """The heart, which fails the test if it meets a bug of its own."""
    return check_by(policy.judge)


@pytest.fixture(scope="session")
def twin_rules(policy_folder: Path) -> list[TwinRule]:
    return read_rules(policy_folder / "rules")
