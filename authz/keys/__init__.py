"""Packaged public keys: read from disk, checked once, held in memory. The only owner of `cryptography`."""

from authz.keys.ring import KeyRing, VerificationKey, read_keys

__all__ = ["KeyRing", "VerificationKey", "read_keys"]
