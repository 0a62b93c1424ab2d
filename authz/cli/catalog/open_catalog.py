"""The catalog of a policy as its files have it: what is in force, who uses it, and whether a change would hold."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import click

from authz.cli.customer import check_known
from authz.documents.findings import Findings, Problem
from authz.documents.reader import Document, read_bytes
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import catalog_folder, check_references, known_names, read_catalog, read_kind
from authz.policy.catalog.schema import SCHEMAS, ServiceFile, UnitPrimitiveFile
from authz.policy.rules.reader import read_rules


@dataclass(frozen=True, slots=True)
class Shelf:
    """A catalog without problems, and the files of its unit primitives."""

    policy: Path
    root: Path
    catalog: Catalog
    units: Mapping[str, Document[UnitPrimitiveFile]]

    def unit(self, name: str) -> Document[UnitPrimitiveFile]:
        """Return a unit primitive's file. Raises UsageError if there is none."""
        if name not in self.units:
            near = difflib.get_close_matches(name, self.units, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "'authz catalog list' names them"
            raise click.UsageError(f"unit primitive '{name}' is not in the catalog; {hint}")
        return self.units[name]

    def file(self, name: str) -> Path:
        """Return where a unit primitive is, or would be, written."""
        return self.units[name].file if name in self.units else self.root / "unit_primitives" / f"{name}.yml"

    def choices(self, key: str) -> tuple[str, ...]:
        """Return what may stand in a list of names; nothing where anything may."""
        return tuple(sorted(known_names(self.policy).get(key, ()))) if key in SCHEMAS else ()

    def check_names(self, key: str, value: Collection[str]) -> None:
        """Raise UsageError for a name that the catalog does not hold, or of which it holds one already."""
        if key in known_names(self.policy):
            check_known(key, value, self.choices(key))
        if key == "name" and value in self.units:
            raise click.UsageError(f"'{value}' is in the catalog already; 'authz catalog update {value}' changes it")

    def heading(self) -> str:
        """Return the line by which editors find the schema of a unit primitive, if this policy has it."""
        name = "schema/unit_primitives.json"
        return f"# yaml-language-server: $schema=../../{name}\n" if (self.policy / name).is_file() else ""

    def uses(self, name: str) -> list[str]:
        """Return every place, as file and line, where a rule or a legacy service names a unit primitive."""
        others = {other: unit for other, unit in self.catalog.unit_primitives.items() if other != name}
        without = replace(self.catalog, unit_primitives=MappingProxyType(others))
        missed = {problem for problem in self._rule_problems(without) if f"'{name}'" in problem.message}
        names = {name, *self.unit(name).content.alias_names}
        listed = [
            (service.file, service.line(("unit_primitives", position)))
            for service in read_kind(self.root / "services", ServiceFile, Findings())
            for position, listed in enumerate(service.content.unit_primitives)
            if listed in names
        ]
        return [f"{file}:{line}" for file, line in sorted({*listed, *((each.file, each.line) for each in missed)})]

    def check(self, name: str, text: str) -> tuple[Problem, ...]:
        """Return the warnings about a unit primitive's new text. Raises ConfigurationError if it, or a rule, breaks."""
        findings = Findings()
        document = read_bytes(text.encode("utf-8"), self.file(name), UnitPrimitiveFile, findings)
        if document is not None:
            check_references(document, known_names(self.policy), findings)
            units = {**self.catalog.unit_primitives, name: document.content.built()}
            changed = replace(self.catalog, unit_primitives=MappingProxyType(units))
            findings.problems += set(self._rule_problems(changed)) - set(self._rule_problems(self.catalog))
        findings.conclude()
        return tuple(findings.warnings)

    def _rule_problems(self, catalog: Catalog) -> list[Problem]:
        findings = Findings()
        if (self.policy / "rules").is_dir():
            read_rules(self.policy / "rules", catalog, findings)
        return findings.problems


def open_shelf(policy: Path) -> Shelf:
    """Read the catalog of a policy directory. Raises ConfigurationError with every problem of it."""
    findings = Findings()
    if not policy.is_dir():
        findings.problem(policy, 0, "is not a directory: name a policy directory with --policy")
        findings.conclude()
    catalog = read_catalog(policy, findings)
    findings.conclude()
    root = catalog_folder(policy) or policy
    documents = read_kind(root / "unit_primitives", UnitPrimitiveFile, Findings())
    return Shelf(policy, root, catalog, MappingProxyType({document.content.name: document for document in documents}))
