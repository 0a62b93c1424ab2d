"""Packaged public keys and trust anchors: read from disk, checked once, held in memory. Owns `cryptography`."""

from authz.keys.chains import ChainProof, ChainVerifier
from authz.keys.key import VerificationKey
from authz.keys.ring import KeyRing, read_keys
from authz.keys.trusted import Anchor, PackagedKey, Trusted, trusted

__all__ = [
    "Anchor",
    "ChainProof",
    "ChainVerifier",
    "KeyRing",
    "PackagedKey",
    "Trusted",
    "VerificationKey",
    "read_keys",
    "trusted",
]
