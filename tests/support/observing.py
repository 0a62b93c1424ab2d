"""Makes observations of real answers, with the shipped policy and signed tokens."""

from collections.abc import Mapping
from typing import Final

from authz.deciding.judge import Judge
from authz.deciding.observation import Observation
from authz.policy.load import Policy
from tests.support.certificates import Certificate, x5c
from tests.support.minting import NOW, ROOT, Minter, request
from tests.support.shipped import check_by

LEAF: Final = Certificate("observed leaf", signed_by=ROOT, uris=("https://customers.gitlab.com",), kind="RSA-2048")


def chained() -> dict[str, str]:
    """Return the header with a token that carries its certificate chain."""
    token = Minter().token(header={"kid": None, "x5c": x5c([LEAF])}, key=LEAF.key)
    return {"authorization": f"Bearer {token}"}


def observe(judge: Judge, message: bytes, now: float = NOW) -> Observation:
    """Return what observers see of the answer to a message."""
    seen: list[Observation] = []
    check_by(judge, seen.append, now=now)(message)
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
