"""Every row of every decision table in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from authz.documents import read
from authz.errors import Findings
from tests.cases.case_file import CaseFile
from tests.cases.expectation import REASONS

if TYPE_CHECKING:
    from tests.cases.rows import Row

__all__ = ["ROWS", "read_rows"]

HERE: Final = Path(__file__).parent
TABLES: Final = frozenset({"reasons.yaml", "callers.yaml", "entitlement.yaml"})


def read_rows(folder: Path) -> list[tuple[str, Row]]:
    """Read every table; what is wrong with them is reported at once, with file and line."""
    findings, found = Findings(), []
    for file in sorted(folder.glob("*.yaml")):
        document = read(file, CaseFile, findings) if file.name not in TABLES else None
        for row in document.content.rows() if document else ():
            problem = contradiction(row)
            if problem:
                findings.problem(file, 0, f"{row.id}: {problem}")
            found.append((f"{file.stem}: {row.id}", row))
    findings.conclude()
    return found


def contradiction(row: Row) -> str | None:
    """Return why a row can hold for no answer, if so."""
    reason = REASONS.reasons.get(row.deny or "")
    if row.deny is not None and reason is None:
        return f"reason '{row.deny}' is not in reasons.yaml"
    if (row.token_error is not None) != (row.deny == "invalid_token"):
        return "'deny: invalid_token' and 'token_error' belong together"
    if row.token_error is not None and row.token_error not in REASONS.token_errors:
        return f"token error '{row.token_error}' is not in reasons.yaml"
    if (row.names is not None) != (reason is not None and "<name>" in reason.message):
        return "'names' fills a message that has a <name>, and only that"
    if row.allow is not None and row.reply:
        return "'reply' is what a refused client reads; an allowed request has none"
    if row.deny is not None and row.request_headers:
        return "'request_headers' reach a backend; a refused request has none"
    return None


ROWS: Final = read_rows(HERE)
