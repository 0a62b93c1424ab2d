"""Thumbprints: the names of certificates in revocations, SHA-256 in lower-case hex."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

_SEQUENCE: Final = 0x30
_BIT_STRING: Final = 0x03
_SHORT: Final = 0x80


def thumbprints(path: Sequence[Certificate]) -> tuple[str, ...]:
    """Return the thumbprints of a path from leaf to anchor, then those of the same certificates written differently.

    If (r, s) is an ECDSA signature, so is (r, n - s). Without these twins, the owner of a revoked certificate could
    flip one number, and the result would not be on the list.
    """
    return tuple(hashlib.sha256(octets).hexdigest() for octets in _spellings(path))


def has_one_spelling(certificate: Certificate, octets: bytes) -> bool:
    """Whether no bits follow the signature: DER would let them differ without a change of meaning."""
    return octets.endswith(b"\0" + certificate.signature)


def _spellings(path: Sequence[Certificate]) -> Iterator[bytes]:
    yield from (certificate.public_bytes(Encoding.DER) for certificate in path)
    for certificate, signer in pairwise(path):
        key = signer.public_key()
        if isinstance(key, EllipticCurvePublicKey):
            yield _twin(certificate, key.curve.group_order)


def _twin(certificate: Certificate, order: int) -> bytes:
    """Return the certificate with its other signature (RFC 5280, section 4.1: what is signed, how, the signature)."""
    r, s = decode_dss_signature(certificate.signature)
    whole = certificate.public_bytes(Encoding.DER)
    start = whole.index(certificate.tbs_certificate_bytes)
    signed_and_how = whole[start : len(whole) - len(_bits(certificate.signature))]
    return _der(_SEQUENCE, signed_and_how + _bits(encode_dss_signature(r, order - s)))


def _bits(octets: bytes) -> bytes:
    return _der(_BIT_STRING, b"\0" + octets)


def _der(tag: int, content: bytes) -> bytes:
    """Encode a value (X.690, section 8.1.3: lengths of 128 and more say first how many octets they have)."""
    length = len(content)
    if length < _SHORT:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT | len(octets))) + octets + content
