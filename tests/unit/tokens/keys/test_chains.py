"""Chains: which leaf is believed, for how long, and that nothing inside a certificate gets out as an exception."""

import base64
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.model import Algorithm, Issuer
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.key import Signer
from authz.tokens.keys.thumbprints import _der
from tests.support import certificates
from tests.support.certificates import Certificate, resigned, respelt, x5c
from tests.support.examples import ISSUER

NOW: Final = certificates.NOW.timestamp()
IDENTITY: Final = ISSUER.certificate_identity
EVERY: Final = replace(ISSUER, algorithms=frozenset(Algorithm))
ROOT: Final = Certificate("root", ca=True)
INTERMEDIATE: Final = Certificate("intermediate", ca=True, signed_by=ROOT)
LEAF: Final = Certificate("leaf", signed_by=INTERMEDIATE, uris=(IDENTITY,))
OTHER_ROOT: Final = Certificate("other root", ca=True)
RSA_ROOT: Final = Certificate("RSA root", ca=True, kind="RSA-2048")


def verifier(*anchors: Certificate, issuer: str = ISSUER.name, memory: Cache[Signer] | None = None) -> ChainVerifier:
    return ChainVerifier({issuer: tuple(anchor.signed for anchor in anchors)}, Cache(10) if memory is None else memory)


def judged(
    *chain: Certificate | bytes, anchors: Sequence[Certificate] = (ROOT,), issuer: Issuer = EVERY, now: float = NOW
) -> Signer | None:
    return verifier(*anchors).verify(issuer, x5c(chain), now)


def under(issuer: Certificate, **differences: Any) -> Certificate:  # Any: as the fields of a certificate are
    return replace(LEAF, signed_by=issuer, **differences)


def below(issuer: Certificate, name: str = "below", **differences: Any) -> Certificate:  # Any: as above
    return replace(INTERMEDIATE, name=name, signed_by=issuer, **differences)


THREE: Final = below(below(INTERMEDIATE, "second"), "third")
BELIEVED: Final[dict[str, tuple[list[Certificate], Certificate]]] = {
    "leaf and intermediate": ([LEAF, INTERMEDIATE], ROOT),
    "with the root": ([LEAF, INTERMEDIATE, ROOT], ROOT),
    "a leaf of the root itself": ([under(ROOT)], ROOT),
    "an intermediate as anchor": ([LEAF], INTERMEDIATE),
    "an intermediate as anchor, sent along": ([LEAF, INTERMEDIATE], INTERMEDIATE),
    "four certificates": ([under(THREE), THREE, THREE.signed_by or ROOT, INTERMEDIATE], ROOT),
    "an RSA root": ([under(RSA_ROOT)], RSA_ROOT),
    "a larger curve above": (
        [under(Certificate("P-521", ca=True, kind="P-521"))],
        Certificate("P-521", True, kind="P-521"),
    ),
    "several identities": ([replace(LEAF, uris=("https://other.example", IDENTITY)), INTERMEDIATE], ROOT),
    "a domain name beside it": ([replace(LEAF, dns=("first.example",)), INTERMEDIATE], ROOT),
    "without key usage": ([replace(LEAF, usages=None), INTERMEDIATE], ROOT),
    "without basic constraints": ([replace(LEAF, ca=None), INTERMEDIATE], ROOT),
    "for clients": ([replace(LEAF, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)), INTERMEDIATE], ROOT),
    "to the last second but one": ([replace(LEAF, ends=1), INTERMEDIATE], ROOT),
    "from this second on": ([replace(LEAF, starts=0), INTERMEDIATE], ROOT),
}


@pytest.mark.parametrize(("chain", "anchor"), BELIEVED.values(), ids=BELIEVED.keys())
def test_a_leaf_below_an_anchor_is_accepted(chain: list[Certificate], anchor: Certificate) -> None:
    proof = judged(*chain, anchors=[anchor])
    assert proof is not None
    assert proof.key.material == chain[0].key.private.public_key()
    assert proof.key.issuer == ISSUER.name
    assert proof.thumbprints[0] == chain[0].thumbprint
    assert proof.key.kid == f"x5c:{chain[0].thumbprint}"
    assert set(proof.thumbprints) >= {part.thumbprint for part in (*chain, anchor)}


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA-2048", "RS256"), ("RSA-3072", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")],
)
def test_a_key_is_for_the_one_algorithm_of_its_kind(kind: str, algorithm: str) -> None:
    proof = judged(replace(LEAF, kind=kind), INTERMEDIATE)
    assert proof is not None
    assert proof.key.algorithm.value == algorithm


@pytest.mark.parametrize("kind", ["RSA-2048", "ES256", "EdDSA"])
def test_a_key_of_an_algorithm_that_the_issuer_does_not_use_is_refused(kind: str) -> None:
    leaf = replace(LEAF, kind=kind)
    proof = judged(leaf, INTERMEDIATE)
    assert proof is not None
    others = frozenset(Algorithm) - {proof.key.algorithm}
    assert judged(leaf, INTERMEDIATE, issuer=replace(ISSUER, algorithms=others)) is None


CRITICAL: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
EXPIRED: Final = below(ROOT, ends=-1)
UNBORN: Final = below(ROOT, starts=1)
WEAK: Final = below(ROOT, kind="RSA-1024")
NO_CA: Final = below(ROOT, ca=False)
SILENT: Final = below(ROOT, ca=None)
MAY_NOT_CERTIFY: Final = below(ROOT, usages=("digital_signature",))
SHORT: Final = below(ROOT, path_length=0)
IMPOSTOR: Final = below(OTHER_ROOT, issuer_name="root")
REFUSED: Final[dict[str, Sequence[Certificate | bytes]]] = {
    "no certificate": [],
    "five certificates": [under(below(THREE)), below(THREE), THREE, THREE.signed_by or ROOT, INTERMEDIATE],
    "the healthy chain and a fifth": [LEAF, INTERMEDIATE, ROOT, ROOT, ROOT],
    "expired a second ago": [replace(LEAF, ends=-1), INTERMEDIATE],
    "expired now": [replace(LEAF, ends=0), INTERMEDIATE],
    "not yet valid": [replace(LEAF, starts=1), INTERMEDIATE],
    "an expired intermediate": [under(EXPIRED), EXPIRED],
    "an intermediate that is not yet valid": [under(UNBORN), UNBORN],
    "self-signed": [replace(LEAF, signed_by=None)],
    "self-signed in the root's name": [replace(LEAF, name="root", key_name="mine", signed_by=None)],
    "of another root": [under(OTHER_ROOT)],
    "of another root, sent along": [under(OTHER_ROOT), OTHER_ROOT],
    "of another root in the root's name": [under(Certificate("root", ca=True, key_name="mine"))],
    "an impostor's intermediate": [under(IMPOSTOR), IMPOSTOR],
    "an impostor's intermediate with the root": [under(IMPOSTOR), IMPOSTOR, ROOT],
    "a signature of another key": [replace(LEAF, forged_by="mine"), INTERMEDIATE],
    "an intermediate with a signature of another key": [LEAF, replace(INTERMEDIATE, forged_by="mine")],
    "of a sister issuer": [replace(LEAF, uris=("https://second.example",)), INTERMEDIATE],
    "an identity with a slash more": [replace(LEAF, uris=(IDENTITY + "/",)), INTERMEDIATE],
    "an identity in capitals": [replace(LEAF, uris=(IDENTITY.upper(),)), INTERMEDIATE],
    "an identity that begins alike": [replace(LEAF, uris=(IDENTITY + ".evil.example",)), INTERMEDIATE],
    "the identity as a domain name": [replace(LEAF, uris=(), dns=("first.example",)), INTERMEDIATE],
    "no names": [replace(LEAF, uris=()), INTERMEDIATE],
    "1024 bits": [replace(LEAF, kind="RSA-1024"), INTERMEDIATE],
    "2047 bits": [replace(LEAF, kind="RSA-2047"), INTERMEDIATE],
    "16384 bits": [replace(LEAF, kind="RSA-16384"), INTERMEDIATE],
    "an intermediate with 1024 bits": [under(WEAK), WEAK],
    "another curve": [replace(LEAF, kind="P-384"), INTERMEDIATE],
    "a curve that is not of NIST": [replace(LEAF, kind="secp256k1"), INTERMEDIATE],
    "the authority as leaf": [INTERMEDIATE],
    "the authority as leaf, with its root": [INTERMEDIATE, ROOT],
    "an authority with the identity": [replace(LEAF, ca=True, usages=("digital_signature",)), INTERMEDIATE],
    "the root as leaf": [ROOT],
    "may encipher only": [replace(LEAF, usages=("key_encipherment",)), INTERMEDIATE],
    "for servers alone": [replace(LEAF, purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)), INTERMEDIATE],
    "for code alone": [replace(LEAF, purposes=(ExtendedKeyUsageOID.CODE_SIGNING,)), INTERMEDIATE],
    "a critical extension that nobody knows": [replace(LEAF, extensions=((CRITICAL, True),)), INTERMEDIATE],
    "an intermediate that is no authority": [under(NO_CA), NO_CA],
    "an intermediate that does not say what it is": [under(SILENT), SILENT],
    "an intermediate that may not certify": [under(MAY_NOT_CERTIFY), MAY_NOT_CERTIFY],
    "a leaf in the place of an intermediate": [under(LEAF), LEAF, INTERMEDIATE],
    "below a path that may not be longer": [under(below(SHORT, "longer")), below(SHORT, "longer"), SHORT],
    "the intermediate is missing": [LEAF],
    "the root in place of the intermediate": [LEAF, ROOT],
    "upside down": [INTERMEDIATE, LEAF],
    "out of order": [LEAF, ROOT, INTERMEDIATE],
    "a stranger behind": [LEAF, INTERMEDIATE, OTHER_ROOT],
    "a stranger between": [LEAF, OTHER_ROOT, INTERMEDIATE],
    "the leaf twice": [LEAF, LEAF, INTERMEDIATE],
    "no octets": [b""],
    "junk": [b"junk"],
    "junk behind": [LEAF, INTERMEDIATE, b"junk"],
    "octets behind the certificate": [LEAF.der + b"\0", INTERMEDIATE],
    "cut short": [LEAF.der[:-1], INTERMEDIATE],
    "two certificates in one": [LEAF.der + INTERMEDIATE.der],
    "nested without end": [b"\x30\x80" * 2_000],
    "a length beyond everything": [b"\x30\x84\xff\xff\xff\xff"],
}


@pytest.mark.parametrize("chain", REFUSED.values(), ids=REFUSED.keys())
def test_everything_else_is_refused_and_not_cached(chain: Sequence[Certificate | bytes]) -> None:
    memory: Cache[Signer] = Cache(10)
    tried = verifier(ROOT, memory=memory)
    assert tried.verify(EVERY, x5c(chain), NOW) is None
    assert tried.verify(EVERY, x5c(chain), NOW) is None
    assert len(memory) == 0


@pytest.mark.parametrize(
    "x5c",
    [
        None,
        "",
        7,
        {},
        {"0": "MIIB"},
        [None],
        [7],
        [["MIIB"]],
        ["ä"],
        ["\ud800"],
        [x5c([LEAF])[0] + "\n", *x5c([INTERMEDIATE])],
        [" " + x5c([LEAF])[0], *x5c([INTERMEDIATE])],
        [base64.urlsafe_b64encode(LEAF.der).decode().rstrip("=") + "-_", *x5c([INTERMEDIATE])],
        x5c([LEAF])[0],
        ",".join(x5c([LEAF, INTERMEDIATE])),
        [x5c([LEAF, INTERMEDIATE])],
    ],
)
def test_what_is_no_list_of_certificates_is_refused(x5c: object) -> None:
    assert verifier(ROOT).verify(EVERY, x5c, NOW) is None


def test_an_issuer_without_anchors_believes_no_chain() -> None:
    assert verifier().verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW) is None
    assert verifier(ROOT, issuer="second").verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW) is None


def test_a_cached_chain_is_one_issuers_alone() -> None:
    anchors = dict.fromkeys(("first", "second"), (ROOT.signed,))
    tried = ChainVerifier(anchors, Cache(10))
    sister = replace(EVERY, name="second", certificate_identity="https://second.example")
    assert tried.verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW) is not None
    assert tried.verify(sister, x5c([LEAF, INTERMEDIATE]), NOW) is None


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 2.0**53, 253_402_300_800.0])
def test_a_clock_beyond_all_dates_is_a_refusal(now: float) -> None:
    assert judged(LEAF, INTERMEDIATE, now=now) is None


# How long a proof holds, and what is remembered.


@pytest.mark.parametrize(
    "shortest", ["leaf", "intermediate", "root"], ids=lambda name: f"the {name} is valid for the shortest time"
)
def test_a_proof_holds_while_every_certificate_on_the_way_does(shortest: str) -> None:
    spans: dict[str, dict[str, Any]] = {  # Any: as above
        name: {"starts": -60.0, "ends": 60.0} if name == shortest else {} for name in ("leaf", "intermediate", "root")
    }
    root = replace(ROOT, **spans["root"])
    intermediate = replace(INTERMEDIATE, signed_by=root, **spans["intermediate"])
    leaf = replace(LEAF, signed_by=intermediate, **spans["leaf"])
    tried = verifier(root)
    proof = tried.verify(EVERY, x5c([leaf, intermediate]), NOW)
    assert proof is not None
    assert (proof.valid_from, proof.valid_until) == (NOW - 60, NOW + 60)
    for offset, holds in ((-60.5, False), (-60, True), (59.5, True), (60, False), (60.5, False), (0, True)):
        assert (tried.verify(EVERY, x5c([leaf, intermediate]), NOW + offset) is not None) is holds, offset


@pytest.mark.parametrize("zone", ["UTC-13", "UTC+11"], ids=["far east", "far west"])
def test_the_machines_time_zone_is_of_no_matter(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    leaf = replace(LEAF, starts=-60.0, ends=60.0)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        proof = judged(leaf, INTERMEDIATE)
    time.tzset()
    assert proof is not None


def test_a_chain_is_cached_by_its_certificates() -> None:
    memory: Cache[Signer] = Cache(10)
    tried = verifier(ROOT, memory=memory)
    first = tried.verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW)
    assert tried.verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW) is first
    assert len(memory) == 1
    assert tried.verify(EVERY, x5c([LEAF, INTERMEDIATE, ROOT]), NOW) is not first
    assert len(memory) == 2


def test_a_cached_chain_whose_anchor_ends_is_verified_again_by_another() -> None:
    old = replace(ROOT, ends=60)
    tried = verifier(old, ROOT)
    assert tried.verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW) is not None
    proof = tried.verify(EVERY, x5c([LEAF, INTERMEDIATE]), NOW + 61)
    assert proof is not None
    assert proof.valid_until == NOW + certificates.YEAR


# A revoked certificate has no second name.


def test_the_other_signature_of_a_certificate_has_a_thumbprint_that_its_proof_knows() -> None:
    r, s = decode_dss_signature(LEAF.signed.signature)
    twin = respelt(LEAF, encode_dss_signature(r, ec.SECP256R1().group_order - s))
    original, other = judged(LEAF, INTERMEDIATE), judged(twin, INTERMEDIATE)
    assert original is not None
    assert other is not None
    assert LEAF.thumbprint != hashlib.sha256(twin).hexdigest()
    assert {LEAF.thumbprint, hashlib.sha256(twin).hexdigest()} <= set(original.thumbprints)
    assert set(original.thumbprints) == set(other.thumbprints)


@pytest.mark.parametrize("kind", ["P-384", "P-521"])
def test_that_holds_for_every_curve(kind: str) -> None:
    root = Certificate(f"root {kind}", ca=True, kind=kind)
    order = {"P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[kind].group_order
    leaf = under(root)
    r, s = decode_dss_signature(leaf.signed.signature)
    proof = judged(leaf, anchors=[root])
    assert proof is not None
    assert hashlib.sha256(respelt(leaf, encode_dss_signature(r, order - s))).hexdigest() in proof.thumbprints


@pytest.mark.parametrize(
    ("length", "said"),
    [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65_535, "82ffff"), (65_536, "83010000")],
)
def test_a_length_is_said_in_the_shortest_way(length: int, said: str) -> None:
    assert _der(0x30, bytes(length)) == b"\x30" + bytes.fromhex(said) + bytes(length)


def test_an_rsa_signature_has_no_twin() -> None:
    proof = judged(under(RSA_ROOT), anchors=[RSA_ROOT])
    assert proof is not None
    assert len(proof.thumbprints) == 2


def test_bits_left_over_behind_a_signature_are_refused() -> None:
    leaves = (replace(under(RSA_ROOT), name=f"leaf {number}") for number in range(1_000))
    even = next(leaf for leaf in leaves if leaf.signed.signature[-1] % 2 == 0)
    assert judged(even, anchors=[RSA_ROOT]) is not None
    respelling = respelt(even, left_over=1)
    assert x509.load_der_x509_certificate(respelling).signature == even.signed.signature, "the parser reads both alike"
    assert judged(respelling, anchors=[RSA_ROOT]) is None


# Whatever is inside.


def swapped(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert bytes.fromhex(old) in content
        return content.replace(bytes.fromhex(old), bytes.fromhex(new))

    return change


YEAR_2027: Final = b"270101000000Z".hex()
ODD: Final[dict[str, Callable[[bytes], bytes]]] = {
    "an extension twice: key usage": swapped("551d0e", "551d0f"),
    "an extension twice: names": swapped("551d0e", "551d11"),
    "an extension twice: basic constraints": swapped("551d0f", "551d13"),
    "key usage that is none": swapped("551d0f0101ff040403020780", "551d0f0101ff040404020780"),
    "names that are none": lambda content: content.replace(IDENTITY.encode(), b"\xff" * len(IDENTITY)),
    "an unknown kind of name": lambda content: content.replace(
        b"\x86" + bytes([len(IDENTITY)]) + IDENTITY.encode(), b"\x8f" + bytes([len(IDENTITY)]) + IDENTITY.encode()
    ),
    "a name for a hidden X.400 address": lambda content: content.replace(
        b"\x86" + bytes([len(IDENTITY)]) + IDENTITY.encode(), b"\xa3" + bytes([len(IDENTITY)]) + IDENTITY.encode()
    ),
    "a negative serial number": lambda content: content[:8] + b"\x80" + content[9:],
    "version 1 with extensions": lambda content: content.replace(
        bytes.fromhex("a003020102"), bytes.fromhex("a003020100")
    ),
    "a version that does not exist": lambda content: content.replace(
        bytes.fromhex("a003020102"), bytes.fromhex("a003020107")
    ),
    "a curve that nobody knows": swapped("2a8648ce3d030107", "2a8648ce3d03017f"),
    "a kind of key that nobody knows": swapped("2a8648ce3d0201", "2a8648ce3d027f"),
    "a point that is none": swapped("034200", "034201"),
    "a month too many": lambda content: content.replace(b"270101000000Z", b"271301000000Z"),
    "a leap second": lambda content: content.replace(b"270101000000Z", b"261231235960Z"),
    "a date without its zone": lambda content: content.replace(b"270101000000Z", b"2701010000000"),
    "ends in 1950": lambda content: content.replace(b"270101000000Z", b"500101000000Z"),
    "another algorithm inside than outside": swapped("2a8648ce3d040302", "2a8648ce3d040303"),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD.keys())
def test_an_odd_certificate_that_the_authority_did_sign_is_refused(change: Callable[[bytes], bytes]) -> None:
    leaf = replace(LEAF, ends=365 * 86400)
    odd = resigned(leaf, change)
    assert odd != leaf.der
    assert judged(resigned(leaf, bytes), INTERMEDIATE) is not None, "it is the change that is refused"
    assert judged(odd, INTERMEDIATE) is None


def test_a_leaf_with_a_key_that_anyone_signs_for_is_refused() -> None:
    """2026-11-22: an authority that certified a placeholder would have certified everyone."""
    leaf = replace(LEAF, kind="EdDSA")
    point = leaf.key.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert judged(resigned(leaf, bytes), INTERMEDIATE) is not None
    assert judged(resigned(leaf, lambda content: content.replace(point, bytes(32))), INTERMEDIATE) is None


def test_what_a_leaf_calls_itself_is_of_no_matter() -> None:
    odd = resigned(LEAF, lambda content: content.replace(b"\x0c\x04leaf", b"\x0c\x04\xff\xfe\xff\xfe"))
    assert odd != LEAF.der
    assert judged(odd, INTERMEDIATE) is not None


def test_a_leaf_may_be_valid_for_ever_and_since_ever() -> None:
    leaf = replace(LEAF, starts=-70 * 365 * 86400.0, ends=7_900 * 365 * 86400.0)
    assert judged(leaf, INTERMEDIATE) is not None
    assert judged(leaf, INTERMEDIATE, now=-3.0) is None, "the others are not"


def test_no_octet_of_a_chain_can_be_changed() -> None:
    """Every octet in turn: a change makes it unreadable, or breaks the signature over it."""
    for position in range(len(LEAF.der)):
        changed = bytearray(LEAF.der)
        changed[position] ^= 1 << position % 8
        assert judged(bytes(changed), INTERMEDIATE) is None, position


@settings(max_examples=500)
@given(
    position=st.integers(0, len(LEAF.signed.tbs_certificate_bytes) - 1),
    put=st.binary(min_size=1, max_size=4),
)
def test_nothing_that_an_authority_signs_raises(position: int, put: bytes) -> None:
    odd = resigned(LEAF, lambda content: content[:position] + put + content[position + len(put) :])
    proof = judged(odd, INTERMEDIATE)
    assert proof is None or proof.thumbprints[0] == hashlib.sha256(odd).hexdigest()


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_nothing_that_is_no_certificate_raises(chain: list[bytes]) -> None:
    assert judged(*chain) is None


def test_no_search_is_made_among_certificates_that_no_anchor_vouches_for() -> None:
    """2026: four certificates of an attacker that could all have signed each other took a hundred signature checks."""
    web = [Certificate("root", ca=True, key_name="mine", kind="P-521") for _ in range(3)]
    chain = x5c([replace(LEAF, name="root", signed_by=web[0]), *web])
    called, proof = watched(chain)
    assert proof is None
    assert called.count("verify_directly_issued_by") == 1
    assert "build_client_verifier" not in called


@pytest.mark.parametrize("leaf", [replace(LEAF, ends=0), replace(LEAF, starts=1)], ids=["over", "not yet valid"])
def test_no_signature_is_checked_above_a_leaf_that_is_out_of_date(leaf: Certificate) -> None:
    """2026-11-22: the chain of an old token, replayed, cost three quarters of what a good one does at first sight."""
    called, proof = watched(x5c([leaf, INTERMEDIATE, ROOT, ROOT]))
    assert proof is None
    assert "verify_directly_issued_by" not in called


def watched(chain: list[str]) -> tuple[list[str], Signer | None]:
    """Return the foreign functions that judging a chain calls, and what comes of it."""
    tried, called = verifier(ROOT), list[str]()
    sys.setprofile(lambda _frame, event, function: called.append(function.__name__) if event == "c_call" else None)
    try:
        return called, tried.verify(EVERY, chain, NOW)
    finally:
        sys.setprofile(None)
