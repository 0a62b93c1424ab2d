"""Packaged public keys and trust anchors: read from disk, checked once, held in memory. Owns `cryptography`."""

from authz.keys.chains import ChainProof, ChainVerifier
from authz.keys.key import VerificationKey
from authz.keys.ring import KeyRing, read_keys

__all__ = ["ChainProof", "ChainVerifier", "KeyRing", "VerificationKey", "read_keys"]
