"""Trust anchors: what can vouch for no chain stops the start, named by file and certificate."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.documents.findings import Findings
from authz.model import Issuer, Trust
from authz.tokens.keys.anchors import strong_enough
from authz.tokens.keys.key import weakness
from authz.tokens.keys.ring import KeyRing, read_keys
from tests.support.certificates import NOW, Certificate, pem, resigned
from tests.support.examples import ISSUER
from tests.support.files import shown, write
from tests.support.signing import key

CHAINED: Final = replace(ISSUER, trust=frozenset({Trust.CERTIFICATE_CHAIN}))
BOTH: Final = replace(ISSUER, trust=frozenset(Trust))
ROOT: Final = Certificate("root", ca=True)
SECOND: Final = Certificate("second root", ca=True, kind="RSA-2048")
MEND: Final = "put one there, or start with --allow-empty-issuers to refuse this issuer's tokens"
KEYS: Final = "RSA of 2048 to 8192 bits, P-256, P-384 and P-521 are"


def found(folder: Path, *issuers: Issuer, allow_empty: bool = False) -> tuple[KeyRing, list[str]]:
    findings = Findings()
    ring = read_keys(folder, issuers or (CHAINED,), allow_empty=allow_empty, findings=findings)
    return ring, shown([*findings.problems, *findings.warnings])


def pem_of(octets: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(octets).decode()}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("kind", ["ES256", "P-384", "P-521", "RSA-2048"])
def test_a_root_of_each_kind_is_read(tmp_path: Path, kind: str) -> None:
    root = Certificate(f"root {kind}", ca=True, kind=kind)
    write(tmp_path / "first.ca.pem", pem([root]))
    ring, problems = found(tmp_path)
    assert problems == []
    assert ring.anchors["first"] == (root.signed,)


def test_several_roots_may_stand_in_one_file_with_words_between_them(tmp_path: Path) -> None:
    write(tmp_path / "first.ca.pem", f"until 2030:\n{pem([ROOT])}\nfrom 2029 on:\n{pem([SECOND])}")
    ring, problems = found(tmp_path)
    assert problems == []
    assert ring.anchors["first"] == (ROOT.signed, SECOND.signed)


def test_each_issuer_has_its_own_roots(tmp_path: Path) -> None:
    write(tmp_path / "first.ca.pem", pem([ROOT]))
    write(tmp_path / "second.ca.pem", pem([SECOND]))
    ring, problems = found(tmp_path, CHAINED, replace(CHAINED, name="second"))
    assert problems == []
    assert ring.anchors == {"first": (ROOT.signed,), "second": (SECOND.signed,)}


@pytest.mark.parametrize("count", [8, 9])
def test_an_issuer_has_at_most_eight_roots(tmp_path: Path, count: int) -> None:
    write(tmp_path / "first.ca.pem", pem([ROOT] * count))
    too_many = "first.ca.pem:0: contains 9 certificates: keep 8 roots at most"
    assert found(tmp_path, CHAINED)[1] == ([too_many] if count > 8 else [])


def test_one_root_may_serve_several_issuers(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write(tmp_path / f"{name}.ca.pem", pem([ROOT]))
    assert found(tmp_path, CHAINED, replace(CHAINED, name="second"))[1] == []


@pytest.mark.parametrize(("bits", "strong"), [(2047, False), (2048, True), (8192, True), (8193, False)])
def test_rsa_is_strong_between_these_sizes(bits: int, strong: bool) -> None:
    # No primes are looked for: nobody will sign with this key.
    candidates = (rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + odd).public_key() for odd in range(1, 10_000, 2))
    public = next(candidate for candidate in candidates if weakness(candidate) is None)
    assert strong_enough(of_rsa(public)) is strong


def test_rsa_with_a_small_factor_is_not_strong() -> None:
    assert not strong_enough(of_rsa(rsa.RSAPublicNumbers(65537, (1 << 2047) + 1).public_key()))


def of_rsa(public: rsa.RSAPublicKey) -> x509.Certificate:
    signer, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    return x509.CertificateBuilder(name, name, public, 1, NOW, NOW + timedelta(days=1)).sign(signer, SHA256())


UNREADABLE: Final = "contains no PEM certificates that can be read"
NO_CA: Final = "certificate 1 is not a CA certificate that may sign others"
UNUSABLE: Final = "certificate 1 has a key that certificates are not verified with: "
BROKEN: Final = "certificate 1 cannot be read: "


def authority(**differences: Any) -> str:  # Any: as the fields of a certificate are
    return pem([replace(ROOT, name="another", **differences)])


def bent(old: str, new: str) -> str:
    """Return the root with some octets exchanged, signed again."""
    return pem_of(resigned(ROOT, lambda content: content.replace(bytes.fromhex(old), bytes.fromhex(new))))


REFUSED: Final[dict[str, tuple[str, str]]] = {
    "nothing": ("", UNREADABLE),
    "junk": ("junk", UNREADABLE),
    "junk inside": (pem_of(b"junk"), UNREADABLE),
    "cut short": (pem([ROOT])[:-40], UNREADABLE),
    "a leaf": (pem([Certificate("leaf")]), NO_CA),
    "a leaf behind a root": (
        pem([ROOT, Certificate("leaf")]),
        "certificate 2 is not a CA certificate that may sign others",
    ),
    "a certificate that does not say what it is": (authority(ca=None, usages=("key_cert_sign",)), NO_CA),
    "a root that may not certify": (authority(usages=("digital_signature",)), NO_CA),
    "a root that does not say what it may": (authority(usages=None), NO_CA),
    "no authority that may certify all the same": (authority(ca=False, usages=("key_cert_sign",)), NO_CA),
    "1024 bits": (authority(kind="RSA-1024"), f"{UNUSABLE}{KEYS}"),
    "16384 bits": (authority(signed_by=ROOT, kind="RSA-16384"), UNUSABLE),
    "a curve that is not of NIST": (authority(kind="secp256k1"), UNUSABLE),
    "Ed25519": (authority(kind="EdDSA"), UNUSABLE),
    "Ed448": (authority(kind="Ed448"), UNUSABLE),
    "a version that does not exist": (bent("a003020102", "a003020107"), UNREADABLE),
    "an extension twice": (bent("551d0e", "551d0f"), BROKEN),
    "a kind of key that nobody knows": (bent("2a8648ce3d0201", "2a8648ce3d027f"), BROKEN),
}


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("allow_empty", [False, True], ids=["", "although issuers may be empty"])
def test_what_could_vouch_for_no_chain_is_refused(
    tmp_path: Path, content: str, problem: str, allow_empty: bool
) -> None:
    (tmp_path / "first.ca.pem").write_text(content)
    _, problems = found(tmp_path, allow_empty=allow_empty)
    assert len(problems) == 1
    assert problems[0].startswith(f"first.ca.pem:0: {problem}")


def test_a_private_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    secret = ROOT.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    write(tmp_path / "first.ca.pem", pem([ROOT]) + secret)
    ring, problems = found(tmp_path)
    assert problems == ["first.ca.pem:0: contains a private key: ship certificates alone, and replace this key"]
    assert ring.anchors["first"] == ()


def test_a_folder_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "first.ca.pem").mkdir()
    assert found(tmp_path)[1] == ["first.ca.pem:0: cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("issuer", "missing"),
    [
        (CHAINED, "no certificate in first.ca.pem"),
        (BOTH, "no key in first.jwks.json and no certificate in first.ca.pem"),
    ],
    ids=["chains alone", "keys and chains"],
)
def test_an_issuer_without_any_of_what_it_trusts_is_refused_unless_that_is_allowed(
    tmp_path: Path, issuer: Issuer, missing: str
) -> None:
    assert found(tmp_path, issuer)[1] == [f"{tmp_path.name}:0: issuer 'first' has {missing}: {MEND}"]
    assert found(tmp_path, issuer, allow_empty=True)[1] == []


def test_one_of_the_two_is_enough_where_both_are_trusted(tmp_path: Path) -> None:
    write(tmp_path / "first.ca.pem", pem([ROOT]))
    assert found(tmp_path, BOTH)[1] == []
    (tmp_path / "first.ca.pem").unlink()
    write(tmp_path / "first.jwks.json", json.dumps({"keys": [key("a-1").jwk()]}))
    assert found(tmp_path, BOTH)[1] == []


def test_a_file_that_nothing_would_use_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "first.ca.pem", "whatever")
    write(tmp_path / "first.jwks.json", json.dumps({"keys": [key("a-1").jwk()]}))
    ring, told_now = found(tmp_path, ISSUER)
    ignored = "does not list certificate_chain under trust (issuers.yml)"
    assert told_now == [f"first.ca.pem:0: is ignored: issuer 'first' {ignored}"]
    assert ring.anchors["first"] == ()
