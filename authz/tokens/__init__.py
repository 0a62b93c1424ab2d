"""Tokens: what a bearer presents becomes claims that its issuer signed, or a refusal. The only owner of `jwt`."""

from authz.tokens.cache import ProofCache
from authz.tokens.refusal import Refusal
from authz.tokens.verifier import Verifier

__all__ = ["ProofCache", "Refusal", "Verifier"]
