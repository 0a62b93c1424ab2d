"""A public key that signatures are checked with."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from authz.model import Algorithm


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key of one issuer, and the one algorithm it is for. `created_at` is what the file says of its age."""

    issuer: str
    kid: str
    algorithm: Algorithm
    material: PublicKeyTypes
    created_at: str | None
