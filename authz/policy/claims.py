"""The claims and headers that rules, issuers and tiers may name."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from authz.deciding.facts import SECRET_HEADERS
from authz.model import Bound

_CHECKED: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scopes", "x5c", "cnf"})


def _readable(name: str) -> str:
    if name in _CHECKED:
        raise ValueError(f"claim '{name}' cannot be named here: every token is checked for it")
    return name


def bindable(header: str) -> str:
    """Return the name of a header that authz may look at and log. Raises ValueError for one that holds a secret."""
    if header.lower() in SECRET_HEADERS:
        raise ValueError(f"'{header}' cannot be named here: it holds a secret, which authz must not see")
    return header


def bound(pairs: Mapping[str, str]) -> tuple[Bound, ...]:
    """Return headers with the claims that bind them, from a file's `bind`."""
    return tuple(Bound(header.lower(), header, claim) for header, claim in pairs.items())


Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,128}$"), AfterValidator(bindable)]
"""A header that authz may look at, spelt as clients read it."""
ClaimName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$"), AfterValidator(_readable)]
"""A claim whose value is a text or a whole number."""
