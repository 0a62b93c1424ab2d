"""The development authority: what it makes is believed, is its owner's alone, and replaces nothing."""

import errno
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.documents.findings import Findings
from authz.issuing.authority import anchors_file, chain_file, generate_chain, read_chain
from authz.model import Algorithm, Issuer, Trust
from authz.tokens.cache import Cache
from authz.tokens.keys.chains import ChainVerifier
from authz.tokens.keys.key import Signer
from authz.tokens.keys.ring import read_keys
from tests.support.examples import ISSUER
from tests.support.signing import key

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
CHAINED: Final = replace(ISSUER, trust=frozenset({Trust.CERTIFICATE_CHAIN}))
SISTER: Final = replace(CHAINED, name="second", identifier="second", certificate_identity="https://second.example")


def judged(folder: Path, chain_of: Issuer, judge: Issuer, now: datetime = NOW) -> Signer | None:
    findings = Findings()
    ring = read_keys(folder, [judge], allow_empty=False, findings=findings)
    assert findings.problems == []
    x5c = list(read_chain(folder, chain_of).x5c)
    return ChainVerifier(ring.anchors, Cache(10)).verify(judge, x5c, now.timestamp())


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_leaf_of_each_algorithm_is_accepted_and_signs(tmp_path: Path, algorithm: Algorithm) -> None:
    issuer = replace(CHAINED, algorithms=frozenset({algorithm}))
    generate_chain(tmp_path, issuer, NOW)
    chain, proof = read_chain(tmp_path, issuer), judged(tmp_path, issuer, issuer)
    assert proof is not None
    assert proof.key.algorithm is chain.algorithm is algorithm
    assert chain.private_pem.count(b"-----BEGIN ") == 1, "the private key alone"
    signing = jwt.get_algorithm_by_name(algorithm.value)
    signature = signing.sign(b"message", signing.prepare_key(chain.private_pem))
    assert signing.verify(b"message", proof.key.material, signature)


def test_each_certificate_says_what_it_is_and_whom_it_is_under(tmp_path: Path) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    leaf, intermediate = x509.load_pem_x509_certificates(chain_file(tmp_path, CHAINED).read_bytes())
    (root,) = x509.load_pem_x509_certificates(anchors_file(tmp_path, CHAINED).read_bytes())
    names = [certificate.subject.rfc4514_string() for certificate in (leaf, intermediate, root)]
    assert names == ["CN=first", "CN=Development intermediate", "CN=Development root"]
    for certificate, issuer, usage in (
        (leaf, intermediate, "digital_signature"),
        (intermediate, root, "key_cert_sign"),
        (root, root, "key_cert_sign"),
    ):
        certificate.verify_directly_issued_by(issuer)
        of = certificate.extensions.get_extension_for_class
        basic, usages = of(x509.BasicConstraints), of(x509.KeyUsage)
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, certificate is not leaf, None)
        assert usages.critical
        assert [name for name in _USAGES if getattr(usages.value, name)] == [usage]
        assert not of(x509.SubjectKeyIdentifier).critical
        assert not of(x509.AuthorityKeyIdentifier).critical
        own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert of(x509.SubjectKeyIdentifier).value == own
        above = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
        assert of(x509.AuthorityKeyIdentifier).value.key_identifier == above.digest
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        assert (begins, ends) == (NOW - timedelta(hours=1), NOW + timedelta(days=3650))


def test_a_chain_file_holds_pem_and_nothing_between(tmp_path: Path) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    text = chain_file(tmp_path, CHAINED).read_text()
    kinds = [line.strip("-") for line in text.splitlines() if line.startswith("-----")]
    assert kinds == [f"{end} {kind}" for kind in ("PRIVATE KEY", *["CERTIFICATE"] * 2) for end in ("BEGIN", "END")]


def test_one_root_serves_every_issuer_and_no_leaf_serves_a_sister(tmp_path: Path) -> None:
    for issuer in (CHAINED, SISTER):
        generate_chain(tmp_path, issuer, NOW)
    assert anchors_file(tmp_path, CHAINED).read_bytes() == anchors_file(tmp_path, SISTER).read_bytes()
    assert judged(tmp_path, CHAINED, CHAINED) is not None
    assert judged(tmp_path, SISTER, CHAINED) is None


def test_it_is_accepted_at_once_and_for_years(tmp_path: Path) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    for later in (timedelta(minutes=-30), timedelta(), timedelta(days=3_000)):
        assert judged(tmp_path, CHAINED, CHAINED, NOW + later) is not None
    assert judged(tmp_path, CHAINED, CHAINED, NOW + timedelta(days=4_000)) is None


def test_what_is_private_is_for_its_owner_alone_and_nothing_private_is_elsewhere(tmp_path: Path) -> None:
    generate_chain(tmp_path / "keys", CHAINED, NOW)
    private = tmp_path / "keys/private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in private.iterdir()} == {
        "authority.pem": 0o600,
        "first.chain.pem": 0o600,
    }
    assert "PRIVATE" not in anchors_file(tmp_path / "keys", CHAINED).read_text()
    assert "PRIVATE" not in repr(read_chain(tmp_path / "keys", CHAINED))


def test_the_roots_private_key_is_kept_nowhere(tmp_path: Path) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    texts = [file.read_text() for file in tmp_path.rglob("*.pem")]
    assert sum(text.count("BEGIN PRIVATE KEY") for text in texts) == 2, "the intermediate's and the leaf's"


def test_what_exists_is_kept(tmp_path: Path) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.pem")}
    generate_chain(tmp_path, CHAINED, NOW)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.pem")} == before


@pytest.mark.parametrize("missing", [anchors_file, chain_file])
def test_only_what_is_missing_is_made(tmp_path: Path, missing: Callable[[Path, Issuer], Path]) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    file = missing(tmp_path, CHAINED)
    before = {kept: kept.read_bytes() for kept in tmp_path.rglob("*.pem") if kept != file}
    file.unlink()
    generate_chain(tmp_path, CHAINED, NOW)
    assert {kept: kept.read_bytes() for kept in before} == before
    assert judged(tmp_path, CHAINED, CHAINED) is not None


def test_roots_without_their_authority_are_not_replaced(tmp_path: Path) -> None:
    anchors_file(tmp_path, CHAINED).write_text("precious")
    with pytest.raises(FileExistsError) as refused:
        generate_chain(tmp_path, CHAINED, NOW)
    assert (refused.value.errno, refused.value.filename) == (errno.EEXIST, str(anchors_file(tmp_path, CHAINED)))
    assert refused.value.strerror == "has roots whose authority is not in this folder; name another folder"
    assert [file.name for file in tmp_path.rglob("*")] == ["first.ca.pem"], "nothing else was made"


def test_another_root_than_the_authoritys_is_not_replaced(tmp_path: Path) -> None:
    generate_chain(tmp_path, SISTER, NOW)
    anchors_file(tmp_path, CHAINED).write_text("precious")
    with pytest.raises(FileExistsError) as refused:
        generate_chain(tmp_path, CHAINED, NOW)
    assert (refused.value.errno, refused.value.filename) == (errno.EEXIST, str(anchors_file(tmp_path, CHAINED)))
    kept = tmp_path / "private/authority.pem"
    assert refused.value.strerror == f"has another root than {kept}; name another folder"
    assert anchors_file(tmp_path, CHAINED).read_text() == "precious"
    assert not chain_file(tmp_path, CHAINED).exists()


@pytest.mark.parametrize(
    "content", ["", "junk", "RSA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_an_authority_that_was_changed_is_named(tmp_path: Path, content: str) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    file = tmp_path / "private/authority.pem"
    if content == "RSA":
        secret = key("a").private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        content = secret + file.read_text()[file.read_text().index("-----BEGIN CERTIFICATE") :]
    file.write_text(content)
    with pytest.raises(ValueError, match=r"authority\.pem is damaged or was changed"):
        generate_chain(tmp_path, SISTER, NOW)


def test_a_chain_that_was_not_made_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_chain(tmp_path, CHAINED)


@pytest.mark.parametrize("keep", ["", "PRIVATE KEY", "CERTIFICATE"])
def test_a_chain_that_was_changed_is_named(tmp_path: Path, keep: str) -> None:
    generate_chain(tmp_path, CHAINED, NOW)
    file = chain_file(tmp_path, CHAINED)
    kept = [part for part in file.read_text().split("-----BEGIN ") if keep and part.startswith(keep)]
    file.write_text("".join(f"-----BEGIN {part}" for part in kept))
    with pytest.raises(ValueError, match=r"first\.chain\.pem is damaged or was changed"):
        read_chain(tmp_path, CHAINED)
