"""Proofs: a remembered token is judged as a new one is, and nothing is believed that PyJWT would not believe."""

from dataclasses import replace
from typing import Final

import jwt
from hypothesis import given
from hypothesis import strategies as st
from jwt.types import Options

from authz.documents.findings import Findings
from authz.model import Trust
from authz.policy.catalog.reader import read_catalog
from authz.policy.load import Policy
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.ring import KeyRing
from authz.tokens.proof import Refusal
from authz.tokens.revocations import NO_REVOCATIONS
from authz.tokens.signers import Signers
from authz.tokens.verifier import Verifier
from tests.support.certificates import Certificate, x5c
from tests.support.issuers import PRODUCTION
from tests.support.minting import NOW, NULL, Minter
from tests.support.repository import PACKAGED_POLICY

Step = tuple[str, str, float]
BACKENDS: Final = read_catalog(PACKAGED_POLICY, Findings()).backend_services
MINTER: Final = Minter()
TOKENS: Final = [
    MINTER.token(issuer, {"aud": audience, "exp": NOW + lifetime, "iat": NOW + start, "nbf": None})
    for issuer in PRODUCTION
    for audience in ("gitlab-ai-gateway", "gitlab-security-gateway")
    for lifetime in (1, 3600)
    for start in (0, 11)
]
ROOT: Final = Certificate("root", ca=True)
ANCHORS: Final = (ROOT, replace(ROOT, ends=3_000))


def by_chain(leaf: Certificate, placement: str, lifetime: int) -> str:
    chain = x5c([leaf])
    claims = {"exp": NOW + lifetime, "nbf": None, "x5c": chain if placement == "claims" else None}
    header = {"kid": None, "x5c": chain if placement == "header" else None}
    return MINTER.token(claims=claims, header=header, key=leaf.key)


LEAVES: Final = [
    Certificate("leaf", signed_by=ROOT, kind="RSA-2048", uris=(identity,), starts=starts, ends=ends)
    for identity in ("https://customers.gitlab.com", "https://gitlab.com")
    for starts, ends in ((-5, 1), (-60, 3_000), (1, 86_400))
]
CHAIN_TOKENS: Final = [
    by_chain(leaf, placement, lifetime)
    for leaf in LEAVES
    for placement in ("header", "claims")
    for lifetime in (1, 3_600, 86_400)
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*TOKENS, *CHAIN_TOKENS]),
        st.sampled_from(["ai_gateway", "sast"]),
        st.sampled_from([-20.0, -11.0, -5.0, 0.0, 0.5, 1.0, 2.0, 2999.5, 3000.0, 3599.0, 3600.0, 3600.5, 300_000.0]),
    ),
    max_size=20,
)
ODD: Final = st.sampled_from(
    [None, NULL, True, "", "1", 0, -1, 1.5, 1e300, 10**400, [], [1], {}, "x" * 257, "é", NOW, NOW + 1, NOW + 3600]
)


def verifier(policy: Policy, ring: KeyRing) -> Verifier:
    """Return a verifier that remembers nothing yet; every issuer also trusts chains."""
    issuers = [replace(issuer, trust=frozenset(Trust)) for issuer in policy.issuers]
    anchors = {issuer.name: tuple(anchor.signed for anchor in ANCHORS) for issuer in issuers}
    return Verifier(issuers, Signers(ring, ChainVerifier(anchors, Cache(10))), NO_REVOCATIONS, Cache(10))


@given(steps=STEPS)
def test_a_remembered_token_is_judged_as_one_never_seen(policy: Policy, ring: KeyRing, steps: list[Step]) -> None:
    remembering = verifier(policy, ring)
    for token, backend_name, offset in steps:
        backend = BACKENDS[backend_name]
        known, new = (each.verify(token, backend, NOW + offset) for each in (remembering, verifier(policy, ring)))
        assert isinstance(known, Refusal) == isinstance(new, Refusal)
        if isinstance(known, Refusal) or isinstance(new, Refusal):
            assert known == new
        else:
            assert (known.claims, known.signer.key.kid) == (new.claims, new.signer.key.kid)


@given(
    issuer=st.sampled_from(sorted(PRODUCTION)),
    claims=st.dictionaries(
        st.sampled_from(["sub", "aud", "exp", "iat", "nbf", "scopes", "gitlab_realm", "gitlab_instance_id", "jti"]),
        ODD,
        max_size=2,
    ),
)
def test_what_is_accepted_has_every_claim_as_the_contract_wants_it(
    policy: Policy, issuer: str, claims: dict[str, object]
) -> None:
    token = MINTER.token(issuer, claims)
    backend = BACKENDS["ai_gateway"]
    verdict = policy.judge.verifier.verify(token, backend, NOW)
    if isinstance(verdict, Refusal):
        return
    profile = PRODUCTION[issuer]
    late, early = (0, 10) if profile.leeway is None else (profile.leeway, profile.leeway)
    key = profile.key.private.public_key()
    options: Options = {
        "verify_signature": True,
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "verify_aud": False,
    }
    said = jwt.decode(token, key, algorithms=[profile.algorithm], options=options)
    assert isinstance(said["sub"], str)
    assert 0 < len(said["sub"]) <= 256
    assert all(isinstance(scope, str) for scope in said["scopes"])
    assert said["aud"] == "gitlab-ai-gateway" or "gitlab-ai-gateway" in said["aud"]
    assert NOW - late < said["exp"] <= said["iat"] + profile.lifetime
    assert not isinstance(said["exp"], bool)
    assert not isinstance(said["iat"], bool)
    assert said["iat"] <= NOW + early
    assert said.get("nbf", NOW) <= NOW + early
    assert not profile.realms or said["gitlab_realm"] in profile.realms
    assert verdict.claims.subject == said["sub"]
    assert verdict.claims.scopes == set(said["scopes"])
