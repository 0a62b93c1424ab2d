"""Header binding as logs tell it: what each header said of a claim that binds it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from authz.model import Claims, TokenType

BEYOND_CLAIMS: Final = 257
"""No claim that binds a header is as long as that."""


class Binding(StrEnum):
    """What a header said of its claim; `not_checked` where no claim binds it, or none is proven."""

    MATCH = "match"
    MISMATCH = "mismatch"
    ABSENT = "absent"
    NOT_CHECKED = "not_checked"


Said = tuple[str, str, str]
"""What the headers of realm, instance and user say, as far as a claim could agree with it."""


def said(headers: Mapping[str, str]) -> Said:
    """Take from a request what `bindings` compares."""
    get = headers.get
    return (
        get("x-gitlab-realm", "")[:BEYOND_CLAIMS],
        get("x-gitlab-instance-id", "")[:BEYOND_CLAIMS],
        get("x-gitlab-global-user-id", "")[:BEYOND_CLAIMS],
    )


def bindings(headers: Said, claims: Claims | None) -> dict[str, Binding]:
    """Return the outcome of each header; it is told of refused tokens too, once their claims are proven."""
    if claims is None:
        return dict.fromkeys(("realm", "instance", "user"), Binding.NOT_CHECKED)
    realm, instance, user = headers
    by_instance = claims.issuer.token_type is TokenType.INSTANCE
    return {
        "realm": _outcome(realm, claims.realm),
        "instance": _outcome(instance, claims.instance_id, claims.subject if by_instance else ""),
        "user": _outcome(user, "" if by_instance else claims.subject),
    }


def _outcome(said: str, *claimed: str) -> Binding:
    binding = [claim for claim in claimed if claim]
    if not binding:
        return Binding.NOT_CHECKED
    if not said:
        return Binding.ABSENT
    return Binding.MATCH if all(said == claim for claim in binding) else Binding.MISMATCH
