"""The claims of a token, checked one by one: a table of what each may be."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from authz.model import BackendService, Claims, Issuer
from authz.tokens.proof import TokenError

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,256}")
_REALM: Final = re.compile(r"[a-z-]{0,32}")
_SEATS: Final = re.compile(r"[0-9]{1,9}")
_LATEST: Final = 2**53
_MAX_TEXT: Final = 256
UNREADABLE: Final = "\udfff"
"""A claim that the policy names, and that is no text. No header and no policy can hold this text, so it never fits."""


def parse_claims(members: Mapping[str, object], issuer: Issuer, names: Collection[str] = ()) -> Claims | TokenError:
    """Return an issuer's claims as typed values, or the error: first what is missing, then what is invalid.

    `names` are the further claims that the policy names.
    """
    required = (*_REQUIRED, "gitlab_realm") if issuer.realms else _REQUIRED
    if any(name not in members for name in required):
        return TokenError.MISSING_CLAIM
    try:
        claims = Claims(
            issuer,
            **{field: read(members.get(name, absent)) for field, name, read, absent in _TABLE},
            instance_id=_instance(members),
            named={name: text for name in names if (text := _text(members.get(name)))},
        )
    except ValueError:
        return TokenError.INVALID_CLAIM
    if issuer.realms and not claims.realm:
        return TokenError.MISSING_CLAIM
    return claims


def validity_error(claims: Claims, backend: BackendService, now: float) -> TokenError | None:
    """Return why well-formed claims are refused at this time, for this backend, or None. Each request asks again."""
    issuer = claims.issuer
    if claims.expires <= now - issuer.expiry_leeway:
        return TokenError.EXPIRED
    latest_start = now + issuer.start_leeway
    if claims.issued > latest_start or (claims.not_before is not None and claims.not_before > latest_start):
        return TokenError.NOT_YET_VALID
    if claims.expires - claims.issued > issuer.max_lifetime:
        return TokenError.LIFETIME_TOO_LONG
    if issuer.realms and claims.realm not in issuer.realms:
        return TokenError.WRONG_REALM
    if backend.audience not in claims.audiences or not issuer.mints_for(backend):
        return TokenError.WRONG_AUDIENCE
    return None


def _instance(members: Mapping[str, object]) -> str:
    """Read the instance from the older and the newer claim; if a token has both, they must be equal."""
    named = {_optional_identifier(members.get(name, "")) for name in _INSTANCE_NAMES} - {""}
    if len(named) > 1:
        raise ValueError("names two instances")
    return next(iter(named), "")


def _date(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LATEST:
        raise ValueError("is no date")
    return float(value)


def _optional_date(value: object) -> float | None:
    return None if value is _ABSENT else _date(value)


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError("is no identifier")
    return value


def _optional_identifier(value: object) -> str:
    return "" if value == "" else _identifier(value)


def _text(value: object) -> str:
    """Read a claim that the policy names: a text, or a whole number. Absent, null and empty are the same.

    Anything else fits nothing, but refuses no token: only rules that name the claim look at it.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LATEST and value == int(value):
        return str(int(value))
    if value is None:
        return ""
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT else UNREADABLE


def _namespace(value: object) -> str:
    return _optional_identifier(_text(value))


def _realm(value: object) -> str:
    if not isinstance(value, str) or not _REALM.fullmatch(value):
        raise ValueError("is no realm")
    return value


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("is no list of names")
    return frozenset(value)


def _audiences(value: object) -> frozenset[str]:
    return frozenset((value,)) if isinstance(value, str) else _names(value)


def _seats(value: object) -> int | None:
    """Seats decide a limit, not access, so a claim that is no number means the default tier, not a refusal."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value % 1 == 0:
        return int(value)
    return int(value) if isinstance(value, str) and _SEATS.fullmatch(value) else None


_ABSENT: Final = object()
_INSTANCE_NAMES: Final = ("gitlab_instance_id", "gitlab_instance_uid")
_REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "scopes")
_TABLE: Final[
    tuple[tuple[str, str, Callable[[object], Any], object], ...]
] = (  # Any: each reader has a type of its own
    ("subject", "sub", _identifier, None),
    ("audiences", "aud", _audiences, None),
    ("expires", "exp", _date, None),
    ("issued", "iat", _date, None),
    ("scopes", "scopes", _names, None),
    ("not_before", "nbf", _optional_date, _ABSENT),
    ("realm", "gitlab_realm", _realm, ""),
    ("token_id", "jti", _optional_identifier, ""),
    ("root_namespace_id", "gitlab_root_namespace_id", _namespace, None),
    ("seats", "duo_seat_count", _seats, None),
)
CLAIM_NAMES: Final = frozenset({"iss", *_INSTANCE_NAMES, *(name for _, name, _, _ in _TABLE)})
"""The claims that are read from every token."""
