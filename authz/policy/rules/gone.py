"""Endpoints that are removed, or will be: their rules have the key `gone`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from authz.documents.reader import Document
from authz.policy.rules.schema import RulesFile


@dataclass(frozen=True, slots=True)
class GoneEndpoint:
    """An endpoint that answers 410 from a date (aware, UTC) on, and the line of its rule.

    With `always` it answers 410 before the date too, because its rule has no other key.
    """

    path: str
    methods: tuple[str, ...]
    backend_service: str
    date: datetime
    always: bool
    file: Path
    line: int

    def is_gone(self, now: datetime) -> bool:
        """Whether it answers 410 at `now` (aware)."""
        return self.always or self.date <= now


def gone_endpoints(documents: Iterable[Document[RulesFile]]) -> tuple[GoneEndpoint, ...]:
    """Return the endpoints that the rules mark as gone, by date and path. Paths are those that clients ask for."""
    found = [
        GoneEndpoint(
            path=document.content.prefix.rstrip("/") + entry.path,
            methods=tuple(entry.methods),
            backend_service=document.content.backend_service,
            date=entry.gone,
            always=not entry.says_who,
            file=document.file,
            line=document.line(("rules", position)),
        )
        for document in documents
        for position, entry in enumerate(document.content.rules)
        if entry.gone is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.date, each.path, each.methods)))
