"""The inputs of the benchmarks: the shipped policy, keys and tokens, and a request as Envoy sends it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import authz
from authz.deciding._proto.external_auth_pb2 import CheckRequest
from authz.deciding.judge import Judge
from authz.documents.findings import Findings
from authz.model import Algorithm, Trust
from authz.policy.catalog.reader import read_catalog
from authz.policy.load import load_policy
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.key import Signer, VerificationKey
from authz.tokens.keys.ring import KeyRing
from authz.tokens.proof import Proof
from authz.tokens.revocations import NO_REVOCATIONS, Revocations
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier
from tests.support import recording
from tests.support.certificates import Certificate, x5c
from tests.support.minting import NOW, Minter
from tests.support.signing import key

FOLDER: Final = Path(authz.__file__).parent / "data"
CLOCK: Final = float(NOW)
KEYS: Final = {algorithm: key(f"benchmark-{algorithm}", algorithm.value) for algorithm in Algorithm}
SCOPES: Final = ["complete_code", "generate_code", "duo_chat", "documentation_search", "explain_code", "fix_code"]
POLICY: Final = load_policy(
    FOLDER, FOLDER / "keys", "production", allow_empty_issuers=True, allow_unlabelled_routes=False
)
BACKEND: Final = read_catalog(FOLDER, Findings()).backend_services["ai_gateway"]
POST: Final = next(known for known in recording.recordings() if known.name == "post")


ROOT: Final = Certificate("root", ca=True)
INTERMEDIATE: Final = Certificate("intermediate", ca=True, signed_by=ROOT)
LEAF: Final = Certificate("leaf", signed_by=INTERMEDIATE, uris=("https://customers.gitlab.com",), kind="RSA-2048")
CHAIN: Final = (LEAF, INTERMEDIATE)

V = TypeVar("V")


class Forgetful(Cache[V]):
    """A cache that is always empty, so that every token or chain is new."""

    def __init__(self) -> None:
        super().__init__(0)

    def get(self, key: bytes) -> None:
        """Store nothing."""
        del key


def judge_with(
    proofs: Cache[Proof], chains: Cache[Signer] | None = None, revocations: Revocations = NO_REVOCATIONS
) -> Judge:
    """Return the shipped judge with those caches; its customers' issuer signs with any of `KEYS`, or by `CHAIN`."""
    shipped = next(issuer for issuer in POLICY.issuers if issuer.name == "customers-dot")
    issuer = replace(shipped, algorithms=frozenset(Algorithm), trust=frozenset(Trust))
    keys = {
        pair.kid: VerificationKey(issuer.name, pair.kid, algorithm, pair.private.public_key(), None)
        for algorithm, pair in KEYS.items()
    }
    anchors = {issuer.name: (ROOT.signed,)}
    known = Cache[Signer](1_000) if chains is None else chains
    signers = Signers(KeyRing({issuer.name: keys}, anchors), ChainVerifier(anchors, known))
    return replace(POLICY.judge, verifier=Verifier((issuer,), signers, revocations, proofs))


def token(algorithm: Algorithm = Algorithm.RS256) -> str:
    """Return an instance token of customers.gitlab.com with a handful of scopes."""
    pair = KEYS[algorithm]
    header = {"alg": algorithm.value, "kid": pair.kid}
    return Minter(CLOCK).token(claims={"scopes": SCOPES}, header=header, key=pair)


def chain_token(chain: Iterable[Certificate | bytes] = CHAIN, placement: str = "header", number: int = 0) -> str:
    """Return the same by a chain, signed with the leaf's key; `number` makes one token differ from another."""
    part = {"x5c": x5c(chain)}
    claims = {"scopes": SCOPES, "jti": f"token-{number}", **(part if placement == "claims" else {})}
    header = {"kid": None, **(part if placement == "header" else {})}
    return Minter(CLOCK).token(claims=claims, header=header, key=LEAF.key)


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
