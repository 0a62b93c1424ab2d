"""Parses a compact JWS (RFC 7515, section 7.1) strictly; nothing in it is verified yet."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz.tokens import strict_json

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Jws:
    """The parts of a token: header and claims as JSON objects, and what the signature was made over."""

    header: Mapping[str, object]
    claims: Mapping[str, object]
    signing_input: bytes
    signature: bytes


def parse(token: str) -> Jws | None:
    """Return the parts of a compact JWS, or None unless it can be read in exactly one way."""
    compact = _COMPACT.fullmatch(token)
    if compact is None:
        return None
    try:
        header, claims = _object(compact[1]), _object(compact[2])
        signature = _octets(compact[3])
    except ValueError:
        return None
    return Jws(header, claims, f"{compact[1]}.{compact[2]}".encode("ascii"), signature)


def _object(part: str) -> Mapping[str, object]:
    value = strict_json.loads(_octets(part).decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("is no object")  # noqa: TRY004  one kind of error for whatever a token holds
    return value


def _octets(part: str) -> bytes:
    """Decode base64url without padding; refuse the spellings that differ in bits that decoding drops."""
    octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != part.encode("ascii"):
        raise ValueError("is not canonical base64url")
    return octets
