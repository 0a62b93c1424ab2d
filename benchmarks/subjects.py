"""What is timed: the shipped policy, keys and tokens made for the run, and a request as Envoy sends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import authz
from authz._proto.external_auth_pb2 import CheckRequest
from authz.keys import KeyRing, VerificationKey
from authz.model import Algorithm
from authz.policy import Policy, load_policy
from authz.tokens import ProofCache, Verifier
from tests import recording
from tests.minting import NOW, Minter, key

__all__ = ["CLOCK", "KEYS", "POLICY", "Forgetful", "check_request", "policy_with", "token"]

FOLDER: Final = Path(authz.__file__).parent / "data"
CLOCK: Final = float(NOW)
KEYS: Final = {algorithm: key(f"benchmark-{algorithm}", algorithm.value) for algorithm in Algorithm}
SCOPES: Final = ["complete_code", "generate_code", "duo_chat", "documentation_search", "explain_code", "fix_code"]
POLICY: Final = load_policy(
    FOLDER, FOLDER / "keys", "production", allow_empty_issuers=True, allow_unlabelled_routes=False
)
POST: Final = next(known for known in recording.recordings() if known.name == "post")


class Forgetful(ProofCache):
    """Never holds what is asked for, so that every token is new."""

    def get(self, key: bytes, now: float) -> None:
        """Remember nothing."""
        del key, now


def policy_with(cache: ProofCache) -> Policy:
    """Return the shipped policy with that cache; its customers' issuer signs with any of `KEYS`."""
    shipped = next(issuer for issuer in POLICY.issuers if issuer.name == "customers-dot")
    issuer = replace(shipped, algorithms=frozenset(Algorithm))
    keys = {
        pair.kid: VerificationKey(issuer.name, pair.kid, algorithm, pair.private.public_key(), None)
        for algorithm, pair in KEYS.items()
    }
    return replace(POLICY, issuers=(issuer,), verifier=Verifier((issuer,), KeyRing({issuer.name: keys}), cache))


def token(algorithm: Algorithm = Algorithm.RS256) -> str:
    """Return an instance token of customers.gitlab.com with a handful of scopes."""
    pair = KEYS[algorithm]
    header = {"alg": algorithm.value, "kid": pair.kid}
    return Minter(CLOCK).token(claims={"scopes": SCOPES}, header=header, key=pair)


def check_request(
    token: str | None, path: str = POST.sent.path, method: str = POST.sent.method, label: str = POST.seen.label
) -> bytes:
    """Return what Envoy was recorded to send for an ordinary request, with this token and request line in it."""
    message = CheckRequest.FromString(POST.file.read_bytes())
    http = message.attributes.request.http
    http.method, http.path = method, path
    message.attributes.context_extensions["backend_service"] = label
    if token is None:
        del http.headers["authorization"]
    else:
        http.headers["authorization"] = f"Bearer {token}"
    return message.SerializeToString()
