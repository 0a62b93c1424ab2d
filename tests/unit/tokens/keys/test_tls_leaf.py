"""What is known of a certificate before TLS shows it."""

from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz.tokens.keys.tls_leaf import TlsLeaf
from tests.support.certificates import NOW, Certificate, pem
from tests.support.tables import row

ED25519: Final = bytes.fromhex("06032b6570")
UNHEARD_OF: Final = bytes.fromhex("06032b657f")
"""Object identifiers of kinds of keys, as a certificate has them."""


@pytest.mark.parametrize(
    ("kind", "usual"),
    [
        row("RSA", "RSA-2048", True),
        row("a short RSA key", "RSA-1024", False),
        row("P-256", "ES256", True),
        row("P-384", "P-384", True),
        row("P-521", "P-521", False),
        row("Ed25519", "EdDSA", False),
    ],
)
def test_a_usual_key_is_one_that_envoy_takes(kind: str, usual: bool) -> None:
    chain = pem([Certificate("leaf", kind=kind), Certificate("root", ca=True)]).encode()
    assert TlsLeaf.read(chain).has_usual_key is usual


def test_a_kind_of_key_that_nobody_knows_is_not_usual() -> None:
    known = x509.load_pem_x509_certificate(pem([Certificate("leaf", kind="EdDSA")]).encode())
    octets = known.public_bytes(Encoding.DER)
    assert ED25519 in octets
    unknown = x509.load_der_x509_certificate(octets.replace(ED25519, UNHEARD_OF))
    assert not TlsLeaf.read(unknown.public_bytes(Encoding.PEM)).has_usual_key


def test_a_certificate_says_when_it_ends() -> None:
    chain = pem([Certificate("leaf", ends=60.0), Certificate("root", ca=True)]).encode()
    assert TlsLeaf.read(chain).ends == NOW.timestamp() + 60


@pytest.mark.parametrize(
    "chain", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_cannot_be_read(chain: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TlsLeaf.read(chain)
