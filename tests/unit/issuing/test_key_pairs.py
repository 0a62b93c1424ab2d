"""Development key pairs: private halves for their owner alone, and nothing is ever overwritten."""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from authz.documents.findings import Findings
from authz.issuing.key_pairs import generate_pair, private_file, public_file, read_pair
from authz.model import Algorithm, Issuer
from authz.tokens.keys.ring import read_keys
from tests.support.examples import ISSUER
from tests.support.signing import Key, b64

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_pair_signs_what_its_public_half_verifies(tmp_path: Path, algorithm: Algorithm) -> None:
    issuer = replace(ISSUER, algorithms=frozenset({algorithm}))
    generate_pair(tmp_path, issuer, NOW)
    findings = Findings()
    ring = read_keys(tmp_path, [issuer], allow_empty=False, findings=findings)
    pair = read_pair(tmp_path, issuer)
    assert findings.problems == []
    assert pair.algorithm is algorithm
    public = ring.named(issuer, pair.kid)
    assert public is not None
    assert public.created_at == "2026-01-01T00:00:00Z"
    signing = jwt.get_algorithm_by_name(algorithm.value)
    signature = signing.sign(b"message", signing.prepare_key(pair.private_pem))
    assert signing.verify(b"message", public.material, signature)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_public_half_is_spelt_as_the_standards_want_it(tmp_path: Path, algorithm: Algorithm) -> None:
    generate_pair(tmp_path, replace(ISSUER, algorithms=frozenset({algorithm})), NOW)
    private = cast(
        "Any", load_pem_private_key(private_file(tmp_path, ISSUER).read_bytes(), password=None)
    )  # Any: of any kind
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kid = b64(hashlib.sha256(spki).digest())[:16]
    jwk = {**Key(kid, algorithm.value, private).jwk(), "created_at": "2026-01-01T00:00:00Z"}
    text = public_file(tmp_path, ISSUER).read_text()
    assert json.loads(text) == {"keys": [jwk]}
    assert text.startswith('{\n  "keys": [\n    {\n      "'), "people read it too"
    assert text.endswith("\n")


def test_an_issuer_of_several_algorithms_gets_a_pair_of_the_first_on_offer(tmp_path: Path) -> None:
    issuer = replace(ISSUER, algorithms=frozenset({Algorithm.EDDSA, Algorithm.ES256}))
    generate_pair(tmp_path, issuer, NOW)
    assert read_pair(tmp_path, issuer).algorithm is Algorithm.ES256


def test_both_halves_stand_where_the_documentation_says(tmp_path: Path) -> None:
    generate_pair(tmp_path, ISSUER, NOW)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert sorted(str(file.relative_to(tmp_path)) for file in files) == ["first.jwks.json", "private/first.pem"]


def test_a_public_half_without_its_private_one_is_named_with_what_to_do(tmp_path: Path) -> None:
    public_file(tmp_path, ISSUER).write_text("precious")
    with pytest.raises(FileExistsError) as refused:
        generate_pair(tmp_path, ISSUER, NOW)
    error = refused.value
    assert (error.errno, error.filename) == (errno.EEXIST, str(public_file(tmp_path, ISSUER)))
    assert error.strerror == "has keys whose private half is not in this folder; name another folder"


def test_two_pairs_have_different_ids(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate_pair(tmp_path / name, replace(ISSUER, algorithms=frozenset({Algorithm.EDDSA})), NOW)
    assert read_pair(tmp_path / "one", ISSUER).kid != read_pair(tmp_path / "two", ISSUER).kid


def test_the_private_half_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    with umask(0):
        generate_pair(tmp_path / "keys", ISSUER, NOW)
    file = private_file(tmp_path / "keys", ISSUER)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_public_file_holds_no_private_member(tmp_path: Path) -> None:
    generate_pair(tmp_path, ISSUER, NOW)
    (jwk,) = json.loads(public_file(tmp_path, ISSUER).read_text())["keys"]
    assert set(jwk) == {"kid", "use", "alg", "kty", "n", "e", "created_at"}


def test_a_pair_never_shows_its_private_half(tmp_path: Path) -> None:
    generate_pair(tmp_path, ISSUER, NOW)
    assert "PRIVATE" not in repr(read_pair(tmp_path, ISSUER))


@pytest.mark.parametrize("kept", [private_file, public_file], ids=["the private half", "the public half"])
def test_no_key_is_ever_overwritten(tmp_path: Path, kept: Callable[[Path, Issuer], Path]) -> None:
    file = kept(tmp_path, ISSUER)
    file.parent.mkdir(exist_ok=True)
    file.write_text("precious")
    with pytest.raises((FileExistsError, ValueError), match=re.escape(str(file))):
        generate_pair(tmp_path, ISSUER, NOW)
    assert file.read_text() == "precious"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file], "nothing else was made"


def test_a_link_in_the_place_of_a_private_half_is_not_followed(tmp_path: Path) -> None:
    private_file(tmp_path, ISSUER).parent.mkdir()
    private_file(tmp_path, ISSUER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        generate_pair(tmp_path, ISSUER, NOW)
    assert not (tmp_path / "elsewhere").exists()


def test_a_pair_that_was_not_made_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_pair(tmp_path, ISSUER)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": {}}',
        '{"keys": [{"alg": "RS256"}]}',
        '{"keys": [{"kid": "a", "alg": "x"}]}',
    ],
)
def test_a_public_half_that_was_changed_is_named(tmp_path: Path, content: str) -> None:
    generate_pair(tmp_path, ISSUER, NOW)
    public_file(tmp_path, ISSUER).write_text(content)
    with pytest.raises(ValueError, match=r"first\.jwks\.json is damaged or was changed"):
        read_pair(tmp_path, ISSUER)


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_private_half_that_was_changed_is_named(tmp_path: Path, content: str) -> None:
    generate_pair(tmp_path, ISSUER, NOW)
    private_file(tmp_path, ISSUER).write_text(content)
    with pytest.raises(ValueError, match=r"first\.pem is damaged or was changed"):
        read_pair(tmp_path, ISSUER)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_private_half_that_lost_its_public_one_gets_it_back(tmp_path: Path, algorithm: Algorithm) -> None:
    generate_pair(tmp_path, replace(ISSUER, algorithms=frozenset({algorithm})), NOW)
    private, public = private_file(tmp_path, ISSUER).read_bytes(), public_file(tmp_path, ISSUER).read_bytes()
    public_file(tmp_path, ISSUER).unlink()
    generate_pair(tmp_path, replace(ISSUER, algorithms=frozenset(Algorithm)), NOW)
    assert public_file(tmp_path, ISSUER).read_bytes() == public
    assert private_file(tmp_path, ISSUER).read_bytes() == private


def test_a_private_half_of_an_algorithm_that_the_issuer_does_not_use_is_named(tmp_path: Path) -> None:
    generate_pair(tmp_path, replace(ISSUER, algorithms=frozenset({Algorithm.EDDSA})), NOW)
    public_file(tmp_path, ISSUER).unlink()
    with pytest.raises(ValueError, match=r"first\.pem is for another algorithm than issuer 'first' signs with: remove"):
        generate_pair(tmp_path, ISSUER, NOW)
    assert not public_file(tmp_path, ISSUER).exists()
