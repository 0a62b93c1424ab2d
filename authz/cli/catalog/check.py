"""Checks the new text of a unit primitive against the catalog and the rules, before it is written."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from authz.cli.catalog.open_catalog import OpenCatalog
from authz.documents.findings import Findings, Problem
from authz.documents.reader import read_bytes
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import check_references, known_names
from authz.policy.catalog.schema import UnitPrimitiveFile
from authz.policy.rules.reader import read_rules


def check_text(opened: OpenCatalog, name: str, text: str) -> tuple[Problem, ...]:
    """Return the warnings about a new text. Raises ConfigurationError if the text has problems or breaks a rule."""
    findings = Findings()
    document = read_bytes(text.encode("utf-8"), opened.file(name), UnitPrimitiveFile, findings)
    if document is not None:
        check_references(document, known_names(opened.policy), findings)
        units = {**opened.catalog.unit_primitives, name: document.content.built()}
        changed = replace(opened.catalog, unit_primitives=MappingProxyType(units))
        rules = opened.policy / "rules"
        findings.problems += set(_rule_problems(rules, changed)) - set(_rule_problems(rules, opened.catalog))
    findings.conclude()
    return tuple(findings.warnings)


def _rule_problems(rules: Path, catalog: Catalog) -> list[Problem]:
    findings = Findings()
    if rules.is_dir():
        read_rules(rules, catalog, findings)
    return findings.problems
