"""Makes observations of real answers, with the shipped policy and signed tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from authz.deciding.check import Check
from authz.deciding.judge import Judge
from authz.deciding.observation import Observation
from authz.policy.load import Policy, load_policy
from tests.support.cases.case_file import POLICY
from tests.support.certificates import Certificate, x5c
from tests.support.minting import NOW, ROOT, Minter, request, write_anchors, write_keys

LEAF: Final = Certificate("observed leaf", signed_by=ROOT, uris=("https://customers.gitlab.com",), kind="RSA-2048")


def load_shipped(folder: Path) -> Policy:
    """Load the shipped policy with keys and anchors for tests, which are written to `folder`."""
    keys = write_keys(folder / "keys")
    write_anchors(keys, ["customers-dot"])
    return load_policy(POLICY, keys, "production", allow_empty_issuers=False, allow_unlabelled_routes=False)


def chained() -> dict[str, str]:
    """Return the header with a token that carries its certificate chain."""
    token = Minter().token(header={"kid": None, "x5c": x5c([LEAF])}, key=LEAF.key)
    return {"authorization": f"Bearer {token}"}


def observe(judge: Judge, message: bytes, now: float = NOW) -> Observation:
    """Return what observers see of the answer to a message."""
    seen: list[Observation] = []
    Check(judge, lambda: float(now), lambda error: pytest.fail(repr(error)), seen.append)(message)
    ((observation),) = seen
    return observation


def observed(
    policy: Policy,
    path: str = "/ai/v2/code/completions",
    *,
    issuer: str = "customers-dot",
    method: str = "POST",
    claims: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Observation:
    """Return the observation of a request with a valid token and the given changes."""
    token = Minter().token(issuer, claims)
    usual = {
        "authorization": f"Bearer {token}",
        "x-gitlab-authentication-type": "oidc",
        "x-gitlab-realm": "self-managed",
        "x-gitlab-instance-id": "6b1e6a52-4d3c-4f0e-9b7d-2f4c8a1d9e33",
        "x-gitlab-global-user-id": "W2HPShrOch8RMah8ZWsjrXtAXo+stqKsNX0exQ1rsQQ=",
        "x-request-id": "1543f25e-0604-443f-b7de-1f83989e68fa",
    }
    return observe(policy.judge, request(path, method=method, headers={**usual, **(headers or {})}))
