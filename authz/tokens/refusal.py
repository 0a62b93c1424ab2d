"""A refused token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.decision import TokenError

__all__ = ["Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token was refused; `signature_valid` says that a known issuer did sign it."""

    error: TokenError
    signature_valid: bool = False
