"""Tokens: what a bearer presents becomes claims that its issuer signed, or a refusal. The only owner of `jwt`."""

from authz.tokens.claims import parse_claims, standing_error
from authz.tokens.proof import Proof
from authz.tokens.refusal import Refusal
from authz.tokens.signers import Signer, Signers
from authz.tokens.verifier import Verifier

__all__ = ["Proof", "Refusal", "Signer", "Signers", "Verifier", "parse_claims", "standing_error"]
