"""A certificate authority for development: one root for all issuers, an intermediate, and a leaf for each of them."""

import base64
import errno
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from authz.issuing.key_pairs import Public, intact, new_key, private_pem, write_secret
from authz.model import Algorithm, Issuer

_LIFETIME: Final = timedelta(days=3650)
_CLOCK_SKEW: Final = timedelta(hours=1)
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf's private key (PEM, never to be shown), and the chain as a token carries it."""

    algorithm: Algorithm
    private_pem: bytes = field(repr=False)
    x5c: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    intermediate: x509.Certificate
    root: x509.Certificate


def anchors_file(folder: Path, issuer: Issuer) -> Path:
    """Return where an issuer's trust anchors are kept, as `authz serve --keys` reads them."""
    return folder / f"{issuer.name}.ca.pem"


def chain_file(folder: Path, issuer: Issuer) -> Path:
    """Return where a development leaf, its private key and its intermediate are kept."""
    return folder / "private" / f"{issuer.name}.chain.pem"


def generate_chain(folder: Path, issuer: Issuer, now: datetime) -> None:
    """Write what is missing: the authority, a leaf for an issuer, and `<name>.ca.pem` with the root it leads to.

    The root's private key is never written. Raises FileExistsError rather than replace a file, OSError if the folder
    cannot be written, ValueError if the authority there cannot be read.
    """
    anchors, kept = anchors_file(folder, issuer), folder / "private" / "authority.pem"
    if anchors.exists() and not kept.exists():
        raise FileExistsError(
            errno.EEXIST, "has roots whose authority is not in this folder; name another folder", str(anchors)
        )
    if not kept.exists():
        write_secret(kept, _new_authority(now))
    authority = _read_authority(kept)
    root = authority.root.public_bytes(Encoding.PEM)
    if anchors.exists() and anchors.read_bytes() != root:
        raise FileExistsError(errno.EEXIST, f"has another root than {kept}; name another folder", str(anchors))
    if not chain_file(folder, issuer).exists():
        write_secret(chain_file(folder, issuer), _new_leaf(authority, issuer, now))
    if not anchors.exists():
        with anchors.open("xb") as stream:
            stream.write(root)


def read_chain(folder: Path, issuer: Issuer) -> Chain:
    """Return an issuer's development chain. Raises OSError or ValueError if there is none that can be read."""
    file = chain_file(folder, issuer)
    pem = file.read_bytes()
    with intact(file):
        certificates = x509.load_pem_x509_certificates(pem)
        load_pem_private_key(pem, password=None)
    algorithm = next(known for known in Algorithm if known in issuer.algorithms)
    x5c = (base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii") for certificate in certificates)
    return Chain(algorithm, pem[: pem.index(_CERTIFICATE)], tuple(x5c))


def _new_authority(now: datetime) -> bytes:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _named("Development root"), _named("Development intermediate")
    root = _certifying(_builder(root_name, root_name, root_key.public_key(), root_key, now)).sign(root_key, SHA256())
    builder = _certifying(_builder(name, root_name, key.public_key(), root_key, now))
    intermediate = builder.sign(root_key, SHA256())
    return private_pem(key) + intermediate.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def _read_authority(file: Path) -> _Authority:
    pem = file.read_bytes()
    with intact(file):
        key = load_pem_private_key(pem, password=None)
        intermediate, root = x509.load_pem_x509_certificates(pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError
    return _Authority(key, intermediate, root)


def _new_leaf(authority: _Authority, issuer: Issuer, now: datetime) -> bytes:
    _, private = new_key(issuer)
    builder = _builder(_named(issuer.name), authority.intermediate.subject, private.public_key(), authority.key, now)
    identity = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(issuer.certificate_identity)])
    leaf = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(identity, critical=False)
        .sign(authority.key, SHA256())
    )
    chain = (leaf, authority.intermediate)
    return private_pem(private) + b"".join(part.public_bytes(Encoding.PEM) for part in chain)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: Public, signer: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _certifying(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return builder.add_extension(constraints, critical=True).add_extension(_usage("key_cert_sign"), critical=True)


def _usage(usage: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{known: known == usage for known in _USAGES})


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
