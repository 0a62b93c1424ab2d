"""Reads all rows of all decision tables in tests/cases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.documents.reader import Document, read
from tests.support.cases.case_file import EVERY_SCOPE, CaseFile
from tests.support.cases.door import LAB, PROFILES
from tests.support.cases.expectation import REASONS
from tests.support.cases.problems import PROBLEMS, shown
from tests.support.cases.rows import Row
from tests.support.issuers import ISSUERS_FILE
from tests.support.repository import CASES as CASE_FILES

TABLES: Final = frozenset({"reasons.yaml", "callers.yaml", "entitlement.yaml"})


@dataclass(frozen=True, slots=True)
class Case:
    """One complete row, and its place in a file."""

    file: Path
    line: int
    row: Row

    @property
    def name(self) -> str:
        """The test's name in pytest."""
        return f"{self.file.stem}: {self.row.id}"

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}: case '{self.row.id}'"


def read_cases(folder: Path, findings: Findings) -> list[Case]:
    """Read every table; problems go to `findings`, with file and line."""
    files = [file for file in sorted(folder.glob("*.yaml")) if file.name not in TABLES]
    documents = [document for file in files if (document := read(file, CaseFile, findings))]
    return [case for document in documents for case in _cases(document, findings)]


def _cases(document: Document[CaseFile], findings: Findings) -> Iterator[Case]:
    lines: dict[str, int] = {}
    for where, row in document.content.rows():
        case = Case(document.file, document.line(where), row)
        problem = contradiction(row)
        if row.id in lines:
            problem = ("id", f"appears twice, first on line {lines[row.id]}")
        if problem:
            key, message = problem
            line = document.line((*where, *key.split(".")))
            # A problem of an endpoint affects several of its rows, and is reported once.
            findings.problem(document.file, line, f"case '{row.id}': {message}" if where[0] == "cases" else message)
        lines.setdefault(row.id, case.line)
        yield case


def contradiction(row: Row) -> tuple[str, str] | None:
    """Return a wrong key of a row and the reason, if no answer can match the row."""
    return next((problem for check in CHECKS if (problem := check(row))), None)


def _of_names(row: Row) -> tuple[str, str] | None:
    """Check that everything that the row names exists."""
    profiles = PROFILES[row.policy]
    if row.token.issuer not in profiles:
        file = shown(LAB / "issuers.yml" if row.policy == "lab" else ISSUERS_FILE)
        there = f"there are: {', '.join(sorted(profiles))}"
        hint = "; 'policy: lab' has it" if row.token.issuer in PROFILES["lab"] else ""
        return "token.issuer", f"issuer '{row.token.issuer}' is not in {file}{hint or f'; {there}'}"
    for name in (row.allow or "").split(",") if row.allow not in {None, "public", "authenticated"} else ():
        if name not in EVERY_SCOPE:
            hint = did_you_mean(name, EVERY_SCOPE)
            return "allow", f"unknown unit primitive '{name}': authz/data/catalog/unit_primitives has none{hint}"
    if row.deny is not None and row.deny not in REASONS.reasons:
        return "deny", f"reason '{row.deny}' is not in reasons.yaml"
    if row.token_error is not None and row.token_error not in REASONS.token_errors:
        return "token_error", f"token error '{row.token_error}' is not in reasons.yaml"
    return None


def _of_the_answer(row: Row) -> tuple[str, str] | None:
    """Check that such an answer is possible."""
    reason = REASONS.reasons.get(row.deny or "")
    if row.allow is None and row.deny is None:
        return "id", "says neither 'allow' nor 'deny'"
    if (row.token_error is not None) != (row.deny == "invalid_token"):
        return "token_error", "'deny: invalid_token' and 'token_error' belong together"
    if (row.names is not None) != (reason is not None and "<name>" in reason.message and row.text is None):
        return "names", "'names' fills a message that has a <name>, and only that"
    if row.text is not None and row.deny is None:
        return "text", "'text' is what a refused client reads; an allowed request has none"
    if row.allow is not None and row.reply:
        return "reply", "'reply' is what a refused client reads; an allowed request has none"
    if row.deny is not None and row.request_headers:
        return "request_headers", "'request_headers' reach a backend; a refused request has none"
    return None


CHECKS: Final[tuple[Callable[[Row], tuple[str, str] | None], ...]] = (_of_names, _of_the_answer)
CASES: Final = [] if PROBLEMS.problems else read_cases(CASE_FILES, PROBLEMS)
