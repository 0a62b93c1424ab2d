"""The schema and the reader of `revocations.yml`: what is refused although an issuer signed it."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from authz.documents.findings import Findings
from authz.documents.reader import read
from authz.documents.schema import Schema
from authz.tokens.revocations import NO_REVOCATIONS, Revocations

K = TypeVar("K")
_FOREVER: Final = float("inf")
_NAME: Final = re.compile(r"[A-Za-z0-9+/=_.:-]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_THUMBPRINT: Final = re.compile(r"[0-9a-f]{64}")


def _identifier(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("should have only letters, digits and +/=_.:-, as identifiers in tokens do")
    if _UUID.fullmatch(value) and value != value.lower():
        raise ValueError("should be in lower case: identifiers are compared exactly, and tokens carry UUIDs that way")
    return value


def _thumbprint(value: str) -> str:
    plain = value.replace(":", "").lower()
    if not _THUMBPRINT.fullmatch(plain):
        raise ValueError("should be the SHA-256 of a certificate, 64 hexadecimal digits")
    return plain


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("should be a date and time with a zone, such as 2026-01-01T00:00:00Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=AwareDatetime)]
Identifier = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_identifier)]
Text = Annotated[str, Field(min_length=1)]


class Entry(Schema):
    """One revoked name, until a date or without an end."""

    value: Identifier
    reason: Text
    until: Moment | None = None


class CertificateEntry(Entry):
    """One revoked certificate, by its thumbprint."""

    value: Annotated[str, AfterValidator(_thumbprint)]


class KeyName(Schema):
    """A key of an issuer."""

    issuer: Text
    kid: Text


class KeyEntry(Schema):
    """One revoked key."""

    value: KeyName
    reason: Text
    until: Moment | None = None


class RevocationsFile(Schema):
    """The keys of `revocations.yml`."""

    token_ids: list[Entry] = Field(default_factory=list)
    instances: list[Entry] = Field(default_factory=list)
    users: list[Entry] = Field(default_factory=list)
    key_ids: list[KeyEntry] = Field(default_factory=list)
    certificates: list[CertificateEntry] = Field(default_factory=list)


def read_revocations(
    file: Path, issuers: Collection[str], kids: Mapping[str, Collection[str]], findings: Findings
) -> Revocations:
    """Read `revocations.yml`, which may be absent; problems go to `findings`.

    `issuers` are all known names, `kids` the key ids of the issuers that are loaded.
    """
    # A broken link is a problem, not the same as no revocations; Path.exists does not tell them apart.
    document = read(file, RevocationsFile, findings) if os.path.lexists(file) else None
    if document is None:
        return NO_REVOCATIONS
    content = document.content
    for position, entry in enumerate(content.key_ids):
        issuer, kid = entry.value.issuer, entry.value.kid
        if issuer not in issuers:
            where = ("key_ids", position, "value", "issuer")
            document.problem(where, f"issuer '{issuer}' is not in issuers.yml", findings)
        elif kid not in kids.get(issuer, (kid,)):
            message = f"issuer '{issuer}' has no key '{kid}': correct the entry, or remove it if the key was taken out"
            document.warning(("key_ids", position, "value", "kid"), message, findings)
    return Revocations(
        token_ids=_ends((entry.value, entry) for entry in content.token_ids),
        instances=_ends((entry.value, entry) for entry in content.instances),
        users=_ends((entry.value, entry) for entry in content.users),
        key_ids=_ends(((entry.value.issuer, entry.value.kid), entry) for entry in content.key_ids),
        certificates=_ends((entry.value, entry) for entry in content.certificates),
    )


def _ends(entries: Iterable[tuple[K, Entry | KeyEntry]]) -> Mapping[K, float]:
    """Return when each revocation ends; for a name with several entries, the latest."""
    ends: dict[K, float] = {}
    for value, entry in entries:
        end = _FOREVER if entry.until is None else entry.until.timestamp()
        ends[value] = max(end, ends.get(value, end))
    return MappingProxyType(ends)
