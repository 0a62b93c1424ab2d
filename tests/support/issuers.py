"""Reads from issuers.yml what each issuer's tokens look like, so that a new issuer needs no Python.

This does not use the service's own reader, which is under test. It skips entries that the reader refuses, because the
reader has the better message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from tests.support.repository import PACKAGED_POLICY
from tests.support.signing import Key, key

ISSUERS_FILE: Final = PACKAGED_POLICY / "issuers.yml"
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Profile:
    """The properties of one issuer's tokens. `lifetime` is in seconds; `certified_as` is the URI of its leaves."""

    name: str
    identifier: str
    realm: str
    lifetime: int
    speaks_for_user: bool = False
    algorithm: str = "RS256"
    certified_as: str = ""
    names_key: bool = True
    trust: tuple[str, ...] = ("packaged_keys",)
    realms: tuple[str, ...] = ()
    """The only realms of its tokens; empty: any."""
    leeway: int | None = None
    """Seconds, for all dates; None: the service's own."""
    backend_services: tuple[str, ...] | None = None
    """The backends for which it may issue tokens; None: all."""

    @property
    def key(self) -> Key:
        """The key it signs with."""
        return key(f"{self.name}-1", self.algorithm)

    @property
    def has_keys(self) -> bool:
        """Whether it signs with keys that are packaged."""
        return "packaged_keys" in self.trust

    @property
    def has_anchors(self) -> bool:
        """Whether it signs with certificates."""
        return "certificate_chain" in self.trust

    def opens(self, backend: str) -> bool:
        """Whether the backend accepts a token signed with its packaged key."""
        return self.has_keys and (self.backend_services is None or backend in self.backend_services)


def profiles(file: Path, environment: str = "production") -> Mapping[str, Profile]:
    """Return the issuers of one environment by name, in the order of the file."""
    try:
        document = yaml.safe_load(file.read_text())
    except yaml.YAMLError:
        document = None
    entries = document.get("issuers") if isinstance(document, dict) else None
    named = (entry for entry in entries or () if isinstance(entry, dict) and "name" in entry)
    found = (_profile(entry) for entry in named if entry.get("environment", "production") == environment)
    return MappingProxyType({profile.name: profile for profile in found})


def _profile(entry: Mapping[str, Any]) -> Profile:  # Any: YAML as it is written
    realms, backends = tuple(entry.get("realms") or ()), entry.get("backend_services")
    return Profile(
        name=entry["name"],
        identifier=str(entry.get("issuer")),
        realm="self-managed" if not realms or "self-managed" in realms else realms[0],
        realms=realms,
        lifetime=_seconds(entry.get("max_lifetime")),
        speaks_for_user=entry.get("token_type") == "user",
        algorithm=(entry.get("algorithms") or ["RS256"])[0],
        certified_as=entry.get("certificate_identity", ""),
        names_key=not entry.get("allow_missing_kid", False),
        trust=tuple(entry.get("trust") or ["packaged_keys"]),
        leeway=_seconds(entry["leeway"]) if "leeway" in entry else None,
        backend_services=None if backends is None else tuple(backends),
    )


def _seconds(duration: object) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", str(duration))
    return int(found[1]) * SECONDS[found[2]] if found else 1


PRODUCTION: Final = profiles(ISSUERS_FILE)
"""The shipped issuers of the production environment."""
