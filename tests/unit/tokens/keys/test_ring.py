"""The keys directory: what is no public signing key of exactly one issuer stops the start, named by file and key."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from authz.documents.findings import Findings
from authz.model import Algorithm, Issuer
from authz.tokens.keys.jwk import public_key
from authz.tokens.keys.key_sets import MAX_KEYS_WITHOUT_KID
from authz.tokens.keys.ring import KeyRing, read_keys
from tests.support.examples import ISSUER
from tests.support.files import shown
from tests.support.signing import Key, b64, key

EVERY: Final = replace(ISSUER, algorithms=frozenset(Algorithm))
RSA, EC, ED = key("rsa-1"), key("ec-1", "ES256"), key("ed-1", "EdDSA")
NOBODY: Final = 65_534


def key_set(folder: Path, *entries: object, issuer: str = "first") -> None:
    (folder / f"{issuer}.jwks.json").write_text(json.dumps({"keys": entries}))


def without(jwk: Mapping[str, object], *members: str) -> dict[str, object]:
    return {name: value for name, value in jwk.items() if name not in members}


def found(folder: Path, *issuers: Issuer, allow_empty: bool = False) -> tuple[KeyRing, list[str]]:
    findings = Findings()
    ring = read_keys(folder, issuers or (EVERY,), allow_empty=allow_empty, findings=findings)
    return ring, shown(findings.problems)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Take every right to a folder away, root's too."""
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
def test_a_public_key_of_each_kind_is_read(tmp_path: Path, signer: Key) -> None:
    key_set(tmp_path, {**signer.jwk(), "created_at": "2026-01-01T00:00:00Z"})
    ring, problems = found(tmp_path)
    assert problems == []
    read = ring.named(EVERY, signer.kid)
    assert read is not None
    assert (read.issuer, read.kid, read.algorithm.value) == ("first", signer.kid, signer.algorithm)
    assert read.material == signer.private.public_key()
    assert read.created_at == "2026-01-01T00:00:00Z"


def rsa_jwk(bits: int) -> dict[str, object]:
    """Return a key of that size; no primes are looked for, since nobody will sign with it."""
    first = (1 << (bits - 1)) + 1
    modulus = next(odd for odd in itertools.count(first, 2) if all(odd % prime for prime in range(3, 1_000, 2)))
    return {"kty": "RSA", "kid": "k", "n": b64(modulus.to_bytes((bits + 7) // 8, "big")), "e": "AQAB"}


SMALL_ORDER: Final = {
    "zeros": "00" * 32,
    "the identity": "01" + "00" * 31,
    "the identity with a sign": "01" + "00" * 30 + "80",
    "minus one": "ec" + "ff" * 30 + "7f",
    "zero in another spelling": "ed" + "ff" * 30 + "7f",
    "an eighth": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "another eighth": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
}
P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
REFUSED: Final[dict[str, tuple[object, str]]] = {
    **{
        f"a private member: {member}": (
            {**RSA.jwk(), member: "AQAB"},
            f"key 'rsa-1' has private members ({member}): ship the public key alone, and replace this pair",
        )
        for member in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
    },
    "several private members": ({**RSA.jwk(), "q": 1, "d": 2}, "key 'rsa-1' has private members (d, q): "),
    "a private part of another kind": ({**ED.jwk(), "d": "AQAB"}, "key 'ed-1' has private members (d): "),
    "a shared secret": ({"kty": "oct", "kid": "k"}, "key 'k' has kty 'oct'; RSA, EC and OKP are known"),
    "an unknown kind": ({**RSA.jwk(), "kty": "rsa"}, "key 'rsa-1' has kty 'rsa'; RSA, EC and OKP are known"),
    "no kind": (without(RSA.jwk(), "kty"), "key 'rsa-1' has kty None; "),
    "a kind that is no text": ({**RSA.jwk(), "kty": ["RSA"]}, "key 'rsa-1' has kty ['RSA']; "),
    "RSA with 2047 bits": (rsa_jwk(2047), "key 'k' is RSA with 2047 bits; 2048 to 8192 are accepted"),
    "RSA with 1024 bits": (rsa_jwk(1024), "key 'k' is RSA with 1024 bits; "),
    "RSA with 8193 bits": (rsa_jwk(8193), "key 'k' is RSA with 8193 bits; "),
    "RSA with an even exponent": ({**RSA.jwk(), "e": "BA"}, "key 'rsa-1' "),
    "RSA with an exponent of one": ({**RSA.jwk(), "e": "AQ"}, "key 'rsa-1' "),
    "RSA without modulus": (without(RSA.jwk(), "n"), "key 'rsa-1' has no base64url text under 'n'"),
    "RSA without exponent": (without(RSA.jwk(), "e"), "key 'rsa-1' has no base64url text under 'e'"),
    "a modulus that is a number": ({**RSA.jwk(), "n": 7}, "key 'rsa-1' has no base64url text under 'n'"),
    "a modulus with padding": ({**RSA.jwk(), "n": RSA.jwk()["n"] + "=="}, "has no base64url text under 'n'"),
    "a modulus in the other alphabet": ({**RSA.jwk(), "n": "+" + RSA.jwk()["n"]}, "has no base64url text under 'n'"),
    "a modulus of impossible length": ({**RSA.jwk(), "n": "AAAAA"}, "has no base64url text under 'n'"),
    "another curve": (
        {**EC.jwk(), "crv": "P-384", "x": b64(P384.x.to_bytes(48, "big"))},
        "key 'ec-1' has curve 'P-384'; P-256 is known for kty EC",
    ),
    "no curve": (without(EC.jwk(), "crv"), "key 'ec-1' has curve None; "),
    "a point off the curve": ({**EC.jwk(), "y": EC.jwk()["x"]}, "key 'ec-1' "),
    "half a point": (without(EC.jwk(), "y"), "key 'ec-1' has no base64url text under 'y'"),
    "another Edwards curve": (
        {
            "kty": "OKP",
            "kid": "k",
            "crv": "Ed448",
            "x": b64(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()),
        },
        "key 'k' has curve 'Ed448'; Ed25519 is known for kty OKP",
    ),
    "a curve for another purpose": ({**ED.jwk(), "crv": "X25519"}, "key 'ed-1' has curve 'X25519'; "),
    "an Edwards key cut short": ({**ED.jwk(), "x": ED.jwk()["x"][:-4]}, "key 'ed-1' "),
    "for encryption": ({**RSA.jwk(), "use": "enc"}, "key 'rsa-1' has a 'use' other than 'sig'"),
    "for nothing": ({**RSA.jwk(), "use": None}, "key 'rsa-1' has a 'use' other than 'sig'"),
    "for signing alone": ({**RSA.jwk(), "key_ops": ["sign"]}, "key 'rsa-1' has 'key_ops' without 'verify'"),
    "no operations": ({**RSA.jwk(), "key_ops": []}, "key 'rsa-1' has 'key_ops' without 'verify'"),
    "operations as text": ({**RSA.jwk(), "key_ops": "verify"}, "key 'rsa-1' has 'key_ops' without 'verify'"),
    "another algorithm of its kind": (
        {**RSA.jwk(), "alg": "RS512"},
        "key 'rsa-1' has alg 'RS512', but a key of its kind is for RS256",
    ),
    "an algorithm of another kind": (
        {**EC.jwk(), "alg": "RS256"},
        "has alg 'RS256', but a key of its kind is for ES256",
    ),
    "a shared secret's algorithm": (
        {**RSA.jwk(), "alg": "HS256"},
        "has alg 'HS256', but a key of its kind is for RS256",
    ),
    "an algorithm that is null": ({**RSA.jwk(), "alg": None}, "has alg None, but a key of its kind is for RS256"),
    "a modulus that is even": (
        {**RSA.jwk(), "n": b64(b"\xff" * 255 + b"\xfe")},
        "key 'rsa-1' has a modulus with a small factor: it is no RSA key",
    ),
    "a modulus of ones": ({**RSA.jwk(), "n": b64(b"\xff" * 256)}, "has a modulus with a small factor"),
    "an exponent that slows every check": (
        {**RSA.jwk(), "e": b64(b"\x01" + b"\0" * 7 + b"\x01")},
        "has an exponent of more than 64 bits",
    ),
    **{
        f"a point of small order, {name}": (
            {**ED.jwk(), "x": b64(bytes.fromhex(point))},
            "key 'ed-1' is a point of small order: anyone could sign for it",
        )
        for name, point in SMALL_ORDER.items()
    },
    "no kid": (without(RSA.jwk(), "kid"), "key 1 has no kid of 1 to 256 characters"),
    "an empty kid": ({**RSA.jwk(), "kid": ""}, "key '' has no kid of 1 to 256 characters"),
    "a kid that is a number": ({**RSA.jwk(), "kid": 7}, "key 1 has no kid of 1 to 256 characters"),
    "a kid of 257 characters": ({**RSA.jwk(), "kid": "k" * 257}, " has no kid of 1 to 256 characters"),
    "no object": ("a key", "key 1 is no object"),
    "null": (None, "key 1 is no object"),
}


@pytest.mark.parametrize(("entry", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_public_signing_key_is_refused(tmp_path: Path, entry: object, problem: str) -> None:
    key_set(tmp_path, entry)
    ring, problems = found(tmp_path)
    assert len(problems) == 1
    assert problems[0].startswith("first.jwks.json:0: key ")
    assert problem in problems[0]
    assert dict(ring.by_issuer["first"]) == {}


def test_no_private_half_is_needed_to_sign_for_a_point_of_small_order() -> None:
    """2026-11-22: a key of zeros, as a placeholder has it, was read, and a signature of zeros fitted."""
    identity = Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER["the identity"]))
    identity.verify(b"\x01" + b"\0" * 63, b"whatever")
    with pytest.raises(ValueError, match="small order"):
        public_key({**ED.jwk(), "x": b64(identity.public_bytes_raw())})


ACCEPTED: Final[dict[str, dict[str, object]]] = {
    "without a use": without(RSA.jwk(), "use"),
    "without an algorithm": without(RSA.jwk(), "alg"),
    "for checking": {**RSA.jwk(), "key_ops": ["verify"]},
    "for signing too": {**RSA.jwk(), "key_ops": ["sign", "verify"]},
    "a member that we do not know": {**RSA.jwk(), "x5t": "abc"},
    "a date that is no text": {**RSA.jwk(), "created_at": 7},
    "an exponent of 64 bits": {**RSA.jwk(), "e": b64(b"\x80" + b"\0" * 6 + b"\x01")},
    "a kid of 256 characters": {**RSA.jwk(), "kid": "k" * 256},
    "the fewest bits": rsa_jwk(2048),
    "bits whose base64url lacks two characters of padding": rsa_jwk(2096),
    "the most bits": rsa_jwk(8192),
}


@pytest.mark.parametrize("entry", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_a_key_may_say_or_leave_out_is_no_problem(tmp_path: Path, entry: dict[str, object]) -> None:
    key_set(tmp_path, entry)
    ring, problems = found(tmp_path)
    assert problems == []
    read = ring.named(EVERY, str(entry["kid"]))
    assert read is not None
    assert read.created_at is None


def test_a_kid_that_appears_twice_is_refused(tmp_path: Path) -> None:
    key_set(tmp_path, RSA.jwk(), {**EC.jwk(), "kid": "rsa-1"})
    assert found(tmp_path)[1] == ["first.jwks.json:0: key 'rsa-1' has a kid that another key has too"]


def test_a_key_of_an_algorithm_that_the_issuer_does_not_use_is_refused(tmp_path: Path) -> None:
    key_set(tmp_path, EC.jwk())
    issuer = replace(EVERY, algorithms=frozenset({Algorithm.RS256, Algorithm.EDDSA}))
    assert found(tmp_path, issuer)[1] == [
        "first.jwks.json:0: key 'ec-1' is for ES256, but issuer 'first' signs with EdDSA, RS256 (issuers.yml)"
    ]


def test_one_public_key_under_two_issuers_is_refused(tmp_path: Path) -> None:
    key_set(tmp_path, RSA.jwk())
    key_set(tmp_path, {**RSA.jwk(), "kid": "by-another-name"}, issuer="second")
    _, problems = found(tmp_path, EVERY, replace(EVERY, name="second"))
    assert problems == [
        "second.jwks.json:0: key 'by-another-name' is also key 'rsa-1' of issuer 'first': "
        "a key may belong to one issuer only"
    ]


def test_one_public_key_may_have_two_ids_of_one_issuer(tmp_path: Path) -> None:
    key_set(tmp_path, RSA.jwk(), {**RSA.jwk(), "kid": "by-another-name"})
    assert found(tmp_path)[1] == []


def test_two_issuers_may_use_the_same_kid_for_different_keys(tmp_path: Path) -> None:
    second = replace(EVERY, name="second")
    key_set(tmp_path, RSA.jwk())
    key_set(tmp_path, {**EC.jwk(), "kid": "rsa-1"}, issuer="second")
    ring, problems = found(tmp_path, EVERY, second)
    assert problems == []
    named = [ring.named(issuer, "rsa-1") for issuer in (EVERY, second)]
    assert [read.algorithm for read in named if read] == [Algorithm.RS256, Algorithm.ES256]


def test_a_key_is_found_under_its_own_issuer_only(tmp_path: Path) -> None:
    second = replace(EVERY, name="second")
    key_set(tmp_path, RSA.jwk())
    key_set(tmp_path, EC.jwk(), issuer="second")
    ring, _ = found(tmp_path, EVERY, second)
    assert ring.named(second, "rsa-1") is None
    assert ring.named(EVERY, "ec-1") is None
    assert ring.named(EVERY, "none") is None


NO_KEY = "issuer 'first' has no key in first.jwks.json"
MEND = "put one there, or start with --allow-empty-issuers to refuse this issuer's tokens"


@pytest.mark.parametrize("content", [None, '{"keys": []}'], ids=["no file", "no keys in it"])
def test_an_issuer_without_a_key_is_refused_unless_that_is_allowed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "first.jwks.json").write_text(content)
    _, problems = found(tmp_path)
    assert problems == [f"{tmp_path.name}:0: {NO_KEY}: {MEND}"]
    ring, problems = found(tmp_path, allow_empty=True)
    assert problems == []
    assert dict(ring.by_issuer) == {"first": {}}


def test_a_folder_that_does_not_exist_is_one_problem_however_many_issuers_there_are(tmp_path: Path) -> None:
    mend = "this folder of keys does not exist: name the right one with --keys, or make it"
    second = replace(EVERY, name="second")
    assert found(tmp_path / "none", EVERY, second)[1] == [f"none:0: {mend}"]
    assert found(tmp_path / "none", EVERY, second, allow_empty=True)[1] == []


def test_being_allowed_to_be_empty_excuses_no_broken_file(tmp_path: Path) -> None:
    (tmp_path / "first.jwks.json").write_text("{")
    assert len(found(tmp_path, allow_empty=True)[1]) == 1


def test_files_of_issuers_that_are_not_loaded_are_not_looked_at(tmp_path: Path) -> None:
    key_set(tmp_path, RSA.jwk())
    (tmp_path / "other.jwks.json").write_text("broken")
    key_set(tmp_path, RSA.jwk(), issuer="staging")
    ring, problems = found(tmp_path)
    assert problems == []
    assert list(ring.by_issuer) == ["first"]


def test_a_token_without_kid_is_tried_with_few_keys(tmp_path: Path) -> None:
    many = [{**rsa_jwk(2048 + count), "kid": f"k{count}"} for count in range(MAX_KEYS_WITHOUT_KID + 1)]
    kidless = replace(EVERY, allow_missing_kid=True)
    key_set(tmp_path, *many)
    assert found(tmp_path)[1] == [], "with a kid in every token the number is of no matter"
    assert found(tmp_path, kidless)[1] == [
        "first.jwks.json:0: has 5 RS256 keys, but a token without kid is tried with 4: remove the oldest"
    ]
    key_set(tmp_path, *many[:-1], EC.jwk())
    ring, problems = found(tmp_path, kidless)
    assert problems == [], "keys are counted for each algorithm"
    assert [read.kid for read in ring.fitting(kidless, Algorithm.RS256)] == ["k0", "k1", "k2", "k3"]
    assert [read.kid for read in ring.fitting(kidless, Algorithm.ES256)] == ["ec-1"]
    assert ring.fitting(kidless, Algorithm.EDDSA) == ()


def test_keys_that_fit_are_at_most_four_whatever_was_read(tmp_path: Path) -> None:
    key_set(tmp_path, *({**rsa_jwk(2048 + count), "kid": f"k{count}"} for count in range(9)))
    ring, _ = found(tmp_path)
    assert len(ring.fitting(EVERY, Algorithm.RS256)) == MAX_KEYS_WITHOUT_KID


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "1: is not JSON that can be read: Expecting value", id="empty"),
        pytest.param(b'{\n"keys": [\n', "3: is not JSON that can be read: Expecting value", id="cut off"),
        pytest.param(b'{"keys": [], "keys": []}', "0: is not JSON that can be read: has a member twice", id="twice"),
        pytest.param(
            b'{"keys": [{"kid": "a", "kid": "b"}]}',
            "0: is not JSON that can be read: has a member twice",
            id="twice, deeper",
        ),
        pytest.param(b'{"keys": [NaN]}', "0: is not JSON that can be read: has NaN", id="NaN"),
        pytest.param(b'{"keys": ["\xff"]}', "0: is not JSON that can be read: ", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "0: is not JSON that can be read: ", id="nested 100,000 deep"),
        pytest.param(b"[]", "0: is not a key set: it needs a list under 'keys'", id="a list"),
        pytest.param(b"{}", "0: is not a key set: it needs a list under 'keys' (RFC 7517, section 5)", id="no keys"),
        pytest.param(b'{"keys": {}}', "0: is not a key set: it needs a list under 'keys'", id="keys that are no list"),
        pytest.param(b'{"kty": "RSA"}', "0: is not a key set: it needs a list under 'keys'", id="one key alone"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----", "is not JSON that can be read: ", id="PEM"),
    ],
)
def test_a_file_that_is_no_key_set_is_one_problem(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "first.jwks.json").write_bytes(content)
    _, problems = found(tmp_path)
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_folder_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "first.jwks.json").mkdir()
    assert found(tmp_path)[1] == ["first.jwks.json:0: cannot be read: Is a directory"]


def test_a_keys_directory_without_the_right_to_read_it_is_a_problem(tmp_path: Path) -> None:
    key_set(tmp_path, RSA.jwk())
    with locked(tmp_path):
        assert found(tmp_path)[1] == ["first.jwks.json:0: cannot be read: Permission denied"]


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    key_set(tmp_path, {**RSA.jwk(), "d": "AQAB"}, {**EC.jwk(), "use": "enc"}, ED.jwk())
    (tmp_path / "second.jwks.json").write_text("{")
    issuers = [EVERY, *(replace(EVERY, name=name) for name in ("second", "third"))]
    _, problems = found(tmp_path, *issuers)
    assert [problem.split(":")[0] for problem in problems] == [
        "first.jwks.json",
        "first.jwks.json",
        "second.jwks.json",
        tmp_path.name,
    ]


def test_no_problem_repeats_what_a_private_member_holds(tmp_path: Path) -> None:
    key_set(tmp_path, {**RSA.jwk(), "d": "the-secret-itself"}, {"kid": "k", "kty": "oct", "k": "the-secret-itself"})
    assert "the-secret-itself" not in "".join(found(tmp_path)[1])
