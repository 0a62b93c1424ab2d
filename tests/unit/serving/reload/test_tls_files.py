"""The files of TLS are checked before use, and each problem names its file, its cause and no secret."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from authz.serving.reload.tls_files import MAX_BYTES, TlsFiles, TlsFileUnusableError
from tests.support.certificates import Certificate, pem
from tests.support.tables import row
from tests.support.tls import CLIENT_CA, ENVOY, NOW, RENEWED, ROOT_CA, SERVER, TlsFolder, credentials, key_pem

ENCRYPTED = SERVER.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"phrase"))

EXPIRED = replace(SERVER, starts=-100.0, ends=-10.0)


@pytest.fixture
def folder(tmp_path: Path) -> TlsFolder:
    made = TlsFolder(tmp_path)
    made.write()
    return made


def files(folder: TlsFolder) -> TlsFiles:
    return TlsFiles(folder.certificate, folder.key, folder.client_ca)


def test_sound_files_are_read_as_they_are(folder: TlsFolder) -> None:
    assert files(folder).read() == credentials()


@pytest.mark.parametrize("kind", ["ES256", "RSA-2048", "P-384"])
def test_the_usual_kinds_of_keys_are_taken(folder: TlsFolder, kind: str) -> None:
    server = Certificate(f"of {kind}", signed_by=ROOT_CA, kind=kind, dns=("a.example.org",), now=NOW)
    folder.write(server)
    assert files(folder).read() == credentials(server)


@pytest.mark.parametrize("kind", ["EdDSA", "P-521", "secp256k1", "RSA-1024"])
def test_a_kind_of_key_that_envoy_does_not_take_is_refused(folder: TlsFolder, kind: str) -> None:
    folder.write(Certificate(f"of {kind}", signed_by=ROOT_CA, kind=kind, dns=("a.example.org",), now=NOW))
    with pytest.raises(TlsFileUnusableError, match="has a key that Envoy does not take") as error:
        files(folder).read()
    assert error.value.file == folder.certificate


def test_a_chain_and_several_authorities_are_taken(folder: TlsFolder) -> None:
    folder.certificate.write_text(pem([SERVER, ROOT_CA]))
    folder.client_ca.write_text("# clients of both\n" + pem([CLIENT_CA, ROOT_CA]))
    assert files(folder).read().certificate == pem([SERVER, ROOT_CA]).encode()


@pytest.mark.parametrize(
    ("broken", "change", "cause"),
    [
        row("no certificate", "tls.crt", lambda file: file.write_text(""), "holds no certificate"),
        row(
            "a certificate that is cut", "tls.crt", lambda file: file.write_text(pem([SERVER])[:200]), "no certificate"
        ),
        row("an expired certificate", "tls.crt", lambda file: file.write_text(pem([EXPIRED])), "expired at 20"),
        row("no key", "tls.key", lambda file: file.write_text("x"), "holds no private key"),
        row("a certificate as the key", "tls.key", lambda file: file.write_text(pem([SERVER])), "holds no private key"),
        row("another's key", "tls.key", lambda file: file.write_text(key_pem(RENEWED)), "does not belong to"),
        row("a key with a passphrase", "tls.key", lambda file: file.write_bytes(ENCRYPTED), "is encrypted"),
        row("no authority", "clients.crt", lambda file: file.write_text("nothing"), "holds no certificate"),
        row("a leaf as the authority", "clients.crt", lambda file: file.write_text(pem([ENVOY])), "of an authority"),
        row("no file", "clients.crt", lambda file: file.unlink(), "cannot be read: No such file or directory"),
        row("a huge file", "tls.crt", lambda file: file.write_text(pem([SERVER]) + "#" * MAX_BYTES), "than 32 KiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_cause(
    folder: TlsFolder, broken: str, change: Callable[[Path], object], cause: str
) -> None:
    change(folder.folder / broken)
    with pytest.raises(TlsFileUnusableError) as error:
        files(folder).read()
    assert error.value.file == folder.folder / broken
    assert cause in error.value.cause
    assert "BEGIN PRIVATE" not in str(error.value)
