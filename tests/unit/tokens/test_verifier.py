"""The verifier: whose signature counts, by which algorithm, and what its memory may and may not answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, cast

import pytest

from authz.model import Algorithm, Claims, Issuer, Trust
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.key import Signer, VerificationKey
from authz.tokens.keys.ring import KeyRing
from authz.tokens.proof import Proof, Refusal, TokenError
from authz.tokens.revocations import NO_REVOCATIONS
from authz.tokens.signers import Signers
from authz.tokens.verifier import MAX_LENGTH, Verifier
from tests.support import certificates
from tests.support.certificates import Certificate, x5c
from tests.support.examples import BACKEND, ISSUER, OTHER_BACKEND, USER_ISSUER
from tests.support.signing import Key, encode, hmac_with, key
from tests.support.tables import row

RSA, SECOND_RSA, EC, ED = key("v-1"), key("v-2"), key("v-ec", "ES256"), key("v-ed", "EdDSA")
NOW: Final = 1_500.0


def kept(issuer: Issuer, *keys: Key) -> dict[str, VerificationKey]:
    return {
        known.kid: VerificationKey(issuer.name, known.kid, Algorithm(known.algorithm), known.private.public_key(), None)
        for known in keys
    }


@dataclass(frozen=True, slots=True)
class Bench:
    """A verifier, and what it remembers."""

    memory: Cache[Proof]
    verifier: Verifier

    def verdict(self, token: str, now: float = NOW) -> Claims | TokenError:
        answer = self.verifier.verify(token, BACKEND, now)
        return answer.error if isinstance(answer, Refusal) else answer.claims


def bench(first: Issuer = ISSUER, *keys: Key, second: Issuer = USER_ISSUER) -> Bench:
    """Return a verifier of two issuers; the first has these keys, the second a key of its own."""
    ring = {first.name: kept(first, *(keys or (RSA,))), second.name: kept(second, SECOND_RSA)}
    return bench_of([first, second], ring)


def bench_of(issuers: list[Issuer], keys: dict[str, dict[str, VerificationKey]]) -> Bench:
    memory: Cache[Proof] = Cache(100)
    chains: Cache[Signer] = Cache(100)
    signers = Signers(KeyRing(MappingProxyType(keys), MappingProxyType({})), ChainVerifier({}, chains))
    return Bench(memory, Verifier(issuers, signers, NO_REVOCATIONS, memory))


def minted(
    signer: Key = RSA,
    header: dict[str, object] | None = None,
    claims: dict[str, object] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Return a token of the first issuer; a member that is None is left out."""
    head = {"alg": signer.algorithm, "kid": signer.kid, **(header or {})}
    body: dict[str, object] = {"iss": ISSUER.identifier, "sub": "s", "aud": "aud-alpha", "exp": 2_000, "iat": 1_000}
    body |= {"scopes": ["read"], **(claims or {})}
    parts = [
        json.dumps({name: value for name, value in part.items() if value is not None}).encode() for part in (head, body)
    ]
    return encode(parts[0], parts[1], sign or signer.sign)


def test_a_token_of_a_known_key_is_accepted() -> None:
    claims = bench().verdict(minted())
    assert isinstance(claims, Claims)
    assert (claims.issuer, claims.subject, claims.scopes) == (ISSUER, "s", frozenset({"read"}))


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
def test_each_algorithm_of_an_issuer_is_accepted_from_its_own_key(signer: Key) -> None:
    every = replace(ISSUER, algorithms=frozenset(Algorithm))
    assert isinstance(bench(every, RSA, EC, ED).verdict(minted(signer)), Claims)


REFUSED: Final[dict[str, tuple[str, TokenError]]] = {
    "no token": ("", TokenError.MALFORMED),
    "no algorithm": (minted(header={"alg": None}), TokenError.MALFORMED),
    "an algorithm that is no text": (minted(header={"alg": ["RS256"]}), TokenError.MALFORMED),
    "a kid that is no text": (minted(header={"kid": 7}), TokenError.MALFORMED),
    **{
        f"the header {name}": (minted(header={name: value}), TokenError.FORBIDDEN_HEADER)
        for name, value in {
            "crit": ["exp"],
            "b64": True,
            "jku": "https://evil.example",
            "jwk": RSA.jwk(),
            "x5u": "https://evil.example",
            "zip": "DEF",
            "enc": "A128GCM",
        }.items()
    },
    "no issuer": (minted(claims={"iss": None}), TokenError.MISSING_CLAIM),
    "an issuer that is no text": (minted(claims={"iss": [ISSUER.identifier]}), TokenError.INVALID_CLAIM),
    "an unknown issuer": (minted(claims={"iss": "https://evil.example"}), TokenError.UNKNOWN_ISSUER),
    "an issuer with a slash more": (minted(claims={"iss": ISSUER.identifier + "/"}), TokenError.UNKNOWN_ISSUER),
    "an issuer's name for its iss": (minted(claims={"iss": ISSUER.name}), TokenError.UNKNOWN_ISSUER),
    "a chain in the header": (minted(header={"x5c": ["AAAA"]}), TokenError.UNTRUSTED_CERTIFICATE),
    "a chain in the claims": (minted(claims={"x5c": []}), TokenError.UNTRUSTED_CERTIFICATE),
    "no signature at all": (minted(header={"alg": "none"}, sign=lambda _: b"x"), TokenError.ALGORITHM_NOT_ALLOWED),
    "a shared secret": (
        minted(header={"alg": "HS256"}, sign=hmac_with(RSA.public_pem())),
        TokenError.ALGORITHM_NOT_ALLOWED,
    ),
    "an algorithm in lower case": (minted(header={"alg": "rs256"}), TokenError.ALGORITHM_NOT_ALLOWED),
    "another algorithm of the key's kind": (minted(header={"alg": "RS512"}), TokenError.ALGORITHM_NOT_ALLOWED),
    "an algorithm that the issuer does not use": (minted(EC), TokenError.ALGORITHM_NOT_ALLOWED),
    "an unknown kid": (minted(header={"kid": "nobody"}), TokenError.UNKNOWN_KEY),
    "an empty kid": (minted(header={"kid": ""}), TokenError.UNKNOWN_KEY),
    "no kid": (minted(header={"kid": None}), TokenError.UNKNOWN_KEY),
    "the kid of another issuer": (minted(SECOND_RSA), TokenError.UNKNOWN_KEY),
    "another key's signature": (minted(sign=SECOND_RSA.sign), TokenError.BAD_SIGNATURE),
    "a signature over other claims": (minted(sign=lambda octets: RSA.sign(octets + b"x")), TokenError.BAD_SIGNATURE),
    "an empty member for a signature": (minted(sign=lambda _: b"\0"), TokenError.BAD_SIGNATURE),
    "a claim that is missing": (minted(claims={"sub": None}), TokenError.MISSING_CLAIM),
    "a claim that is invalid": (minted(claims={"sub": ""}), TokenError.INVALID_CLAIM),
    "too late": (minted(claims={"exp": 1_500}), TokenError.EXPIRED),
    "too early": (minted(claims={"nbf": 1_511}), TokenError.NOT_YET_VALID),
    "too long": (minted(claims={"exp": 9_000}), TokenError.LIFETIME_TOO_LONG),
    "another audience": (minted(claims={"aud": "aud-beta"}), TokenError.WRONG_AUDIENCE),
}
AFTER_THE_SIGNATURE: Final = (
    "a claim that is missing",
    "a claim that is invalid",
    "too late",
    "too early",
    "too long",
    "another audience",
)


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_is_refused_for_its_first_fault_and_never_cached_as_refused(name: str) -> None:
    token, error = REFUSED[name]
    tried = bench()
    refusal = tried.verifier.verify(token, BACKEND, NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.error, refusal.signature_valid) == (error, name in AFTER_THE_SIGNATURE)
    assert tried.verifier.verify(token, BACKEND, NOW) == refusal, "asked again"


BEFORE_THE_ISSUER: Final = {TokenError.MALFORMED, TokenError.FORBIDDEN_HEADER, TokenError.UNKNOWN_ISSUER}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_who_was_named_who_signed_and_what_for_as_far_as_that_was_known(name: str) -> None:
    token, error = REFUSED[name]
    refusal = bench().verifier.verify(token, BACKEND, NOW)
    assert isinstance(refusal, Refusal)
    unnamed = error in BEFORE_THE_ISSUER or name in {"no issuer", "an issuer that is no text"}
    assert refusal.issuer == (None if unnamed else ISSUER)
    signer = refusal.signer and refusal.signer.key.kid
    assert signer == (RSA.kid if name in AFTER_THE_SIGNATURE else None)
    subject = refusal.claims and refusal.claims.subject
    assert subject == ("s" if name in AFTER_THE_SIGNATURE[2:] else None)


def test_a_token_longer_than_its_issuer_allows_still_names_it() -> None:
    chained = replace(USER_ISSUER, trust=frozenset(Trust))
    refusal = bench(ISSUER, second=chained).verifier.verify(minted(claims={"more": "x" * MAX_LENGTH}), BACKEND, NOW)
    assert refusal == Refusal(TokenError.TOO_LONG, ISSUER)


def test_a_key_of_another_algorithm_than_the_header_names_is_not_used() -> None:
    both = replace(ISSUER, algorithms=frozenset({Algorithm.RS256, Algorithm.ES256}))
    for signer, other in ((RSA, EC), (EC, RSA)):
        token = minted(signer, header={"kid": other.kid})
        assert bench(both, RSA, EC).verdict(token) is TokenError.ALGORITHM_NOT_ALLOWED


KIDLESS: Final = replace(ISSUER, allow_missing_kid=True, algorithms=frozenset({Algorithm.RS256, Algorithm.ES256}))


@pytest.mark.parametrize("signer", [RSA, SECOND_RSA, EC], ids=["the first key", "the second", "of another algorithm"])
def test_without_kid_every_fitting_key_is_tried_where_the_issuer_allows_it(signer: Key) -> None:
    tried = bench(KIDLESS, RSA, SECOND_RSA, EC, second=replace(USER_ISSUER, identifier="https://unused.example"))
    assert isinstance(tried.verdict(minted(signer, header={"kid": None})), Claims)


@pytest.mark.parametrize(
    ("token", "error"),
    [
        row("a foreign key", minted(key("v-3"), header={"kid": None}), TokenError.BAD_SIGNATURE),
        row("no key of the algorithm", minted(EC, header={"kid": None}), TokenError.UNKNOWN_KEY),
        row("a kid that is present and unknown", minted(header={"kid": "nobody"}), TokenError.UNKNOWN_KEY),
    ],
)
def test_where_a_kid_may_be_absent_a_key_must_fit_all_the_same(token: str, error: TokenError) -> None:
    assert bench(KIDLESS, RSA).verdict(token) is error


def test_a_chain_is_refused_where_the_issuer_does_not_trust_chains_whatever_anchors_there_are() -> None:
    root = Certificate("root", ca=True)
    leaf = Certificate("leaf", signed_by=root, kind="RSA-2048", uris=(ISSUER.identifier,))
    now = certificates.NOW.timestamp()
    dates: dict[str, object] = {"exp": now + 60, "iat": now}
    token = minted(leaf.key, {"x5c": x5c([leaf])}, dates)
    verdicts = []
    for issuer in (replace(ISSUER, trust=frozenset(Trust)), ISSUER):
        anchors = {issuer.name: (root.signed,)}
        signers = Signers(KeyRing({issuer.name: kept(issuer, RSA)}, anchors), ChainVerifier(anchors, Cache(10)))
        verdicts.append(Verifier([issuer], signers, NO_REVOCATIONS, Cache(10)).verify(token, BACKEND, now))
    assert isinstance(verdicts[0], Proof)
    assert verdicts[1] == Refusal(TokenError.UNTRUSTED_CERTIFICATE, ISSUER)


def test_a_packaged_key_signs_nothing_where_the_issuer_trusts_chains_alone() -> None:
    alone = replace(ISSUER, trust=frozenset({Trust.CERTIFICATE_CHAIN}))
    assert bench(alone).verdict(minted()) is TokenError.UNKNOWN_KEY
    kidless = replace(alone, allow_missing_kid=True)
    assert bench(kidless).verdict(minted(header={"kid": None})) is TokenError.UNKNOWN_KEY


def test_an_issuer_without_keys_signs_nothing() -> None:
    assert bench_of([ISSUER], {"first": {}}).verdict(minted()) is TokenError.UNKNOWN_KEY


@pytest.mark.parametrize("material", [None, "text", EC.private.public_key()], ids=["nothing", "text", "another kind"])
def test_whatever_a_foreign_parser_raises_is_a_bad_signature(material: object) -> None:
    broken = VerificationKey("first", RSA.kid, Algorithm.RS256, cast("Any", material), None)
    tried = bench_of([ISSUER], {"first": {RSA.kid: broken}})
    assert tried.verdict(minted()) is TokenError.BAD_SIGNATURE


def test_a_token_may_be_8_kib_long_and_not_longer() -> None:
    missing = MAX_LENGTH - len(minted(claims={"pad": ""}))
    longest, longer = (minted(claims={"pad": "a" * (missing * 3 // 4 + more)}) for more in (0, 2))
    assert MAX_LENGTH - 2 <= len(longest) <= MAX_LENGTH < len(longer)
    assert isinstance(bench().verdict(longest), Claims)
    assert bench().verdict(longer) is TokenError.TOO_LONG
    assert bench().verdict("a" * MAX_LENGTH) is TokenError.MALFORMED
    assert bench().verdict("a" * (MAX_LENGTH + 1)) is TokenError.TOO_LONG


def test_what_is_no_unicode_is_malformed() -> None:
    assert bench().verdict("\ud800") is TokenError.MALFORMED


def test_a_proof_is_cached_and_used() -> None:
    tried = bench()
    token = minted()
    first = tried.verdict(token)
    assert len(tried.memory) == 1
    assert tried.verdict(token) is first


def test_no_refusal_is_cached() -> None:
    tried = bench()
    for name, (token, _) in REFUSED.items():
        if name not in AFTER_THE_SIGNATURE:
            tried.verdict(token)
    assert len(tried.memory) == 0


def test_a_token_that_is_already_over_is_not_cached() -> None:
    tried = bench(replace(ISSUER, expiry_leeway=60.0))
    assert isinstance(tried.verdict(minted(), now=2_000.0), Claims)
    assert len(tried.memory) == 0


def test_a_cached_token_is_the_exact_token() -> None:
    tried = bench()
    token = minted()
    tried.verdict(token)
    assert tried.verdict(token[:-4] + "AAAA") is TokenError.BAD_SIGNATURE
    assert len(tried.memory) == 1


@pytest.mark.parametrize(
    ("now", "error"),
    [
        pytest.param(2_000.0, TokenError.EXPIRED, id="as it expires"),
        pytest.param(9_000.0, TokenError.EXPIRED, id="long after"),
        pytest.param(900.0, TokenError.NOT_YET_VALID, id="the clock went back"),
    ],
)
def test_a_cached_token_is_checked_again_for_the_time(now: float, error: TokenError) -> None:
    tried = bench()
    token = minted()
    proof = tried.verifier.verify(token, BACKEND, NOW)
    assert isinstance(proof, Proof)
    assert tried.verifier.verify(token, BACKEND, now) == Refusal(error, ISSUER, proof.signer, proof.claims)


def test_a_cached_token_is_checked_again_for_the_backend() -> None:
    tried = bench()
    token = minted()
    proof = tried.verifier.verify(token, BACKEND, NOW)
    assert isinstance(proof, Proof)
    refusal = Refusal(TokenError.WRONG_AUDIENCE, ISSUER, proof.signer, proof.claims)
    assert tried.verifier.verify(token, OTHER_BACKEND, NOW) == refusal


@pytest.mark.parametrize(
    ("issuer", "claims", "error"),
    [
        (replace(ISSUER, realms=frozenset({"saas"})), {"gitlab_realm": "other"}, TokenError.WRONG_REALM),
        (replace(ISSUER, max_lifetime=999.0), {}, TokenError.LIFETIME_TOO_LONG),
        (replace(ISSUER, backend_services=frozenset({"beta"})), {}, TokenError.WRONG_AUDIENCE),
    ],
    ids=["realm", "lifetime", "backend of the issuer"],
)
def test_what_depends_on_the_policy_refuses_a_cached_token_too(
    issuer: Issuer, claims: dict[str, object], error: TokenError
) -> None:
    tried = bench(issuer)
    token = minted(claims=claims)
    assert [tried.verdict(token), tried.verdict(token)] == [error, error]
    assert len(tried.memory) == 1, "its signature is proven, and that alone is remembered"


def test_a_token_in_its_leeway_is_verified_again_each_time_and_accepted() -> None:
    tried = bench(replace(ISSUER, expiry_leeway=60.0))
    token = minted()
    assert isinstance(tried.verdict(token), Claims)
    assert isinstance(tried.verdict(token, now=2_030.0), Claims)
    assert tried.verdict(token, now=2_060.0) is TokenError.EXPIRED


def test_a_cached_token_ends_with_its_chain_and_not_before() -> None:
    now = certificates.NOW.timestamp()
    root = Certificate("root", ca=True)
    leaf = Certificate("short leaf", signed_by=root, uris=(ISSUER.certificate_identity,), starts=-60.0, ends=60.0)
    issuer = replace(ISSUER, algorithms=frozenset({Algorithm.ES256}), trust=frozenset({Trust.CERTIFICATE_CHAIN}))
    memory: Cache[Proof] = Cache(100)
    ring = KeyRing(MappingProxyType({issuer.name: {}}), MappingProxyType({}))
    signers = Signers(ring, ChainVerifier({issuer.name: (root.signed,)}, Cache(100)))
    tried = Bench(memory, Verifier([issuer], signers, NO_REVOCATIONS, memory))
    lifetime: dict[str, object] = {"iat": int(now) - 600, "exp": int(now) + 600}
    token = minted(leaf.key, header={"x5c": x5c([leaf]), "kid": None}, claims=lifetime)
    first = tried.verdict(token, now)
    assert isinstance(first, Claims)
    assert tried.verdict(token, now + 59.5) is first
    assert tried.verdict(token, now - 60) is first, "from its first second on"
    assert tried.verdict(token, now + 60) is TokenError.UNTRUSTED_CERTIFICATE
    assert tried.verdict(token, now - 60.5) is TokenError.UNTRUSTED_CERTIFICATE


def test_without_issuers_the_length_has_its_bound_all_the_same() -> None:
    assert bench_of([], {}).verdict("a" * (MAX_LENGTH + 1)) is TokenError.TOO_LONG
    assert bench_of([], {}).verdict(minted()) is TokenError.UNKNOWN_ISSUER
