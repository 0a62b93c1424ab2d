"""The catalog of a policy as commands see it: the values, and the files that they were read from."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import click

from authz.cli.customer import check_known
from authz.documents.findings import Findings
from authz.documents.hints import nearest
from authz.documents.reader import Document, read_folder
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import CatalogFiles, catalog_folder, known_names, read_catalog_files
from authz.policy.catalog.schema import UnitPrimitiveFile
from authz.policy.rules.schema import RulesFile


@dataclass(frozen=True, slots=True)
class OpenCatalog:
    """A catalog without problems, and the files that it was read from."""

    policy: Path
    root: Path
    files: CatalogFiles
    units: Mapping[str, Document[UnitPrimitiveFile]]

    @property
    def catalog(self) -> Catalog:
        """The catalog as values."""
        return self.files.catalog

    def unit(self, name: str) -> Document[UnitPrimitiveFile]:
        """Return a unit primitive's file. Raises UsageError if there is none."""
        if name not in self.units:
            near = nearest(name, self.units)
            hint = "'authz catalog list' names them" if near is None else f"did you mean '{near}'?"
            raise click.UsageError(f"unit primitive '{name}' is not in the catalog; {hint}")
        return self.units[name]

    def file(self, name: str) -> Path:
        """Return where a unit primitive is, or would be, written."""
        return self.units[name].file if name in self.units else self.root / "unit_primitives" / f"{name}.yml"

    def choices(self, key: str) -> tuple[str, ...]:
        """Return the names that a key may list; none if it may list any name."""
        return tuple(sorted(known_names(self.policy).get(key, ())))

    def check_names(self, key: str, value: Collection[str]) -> None:
        """Raise UsageError for a name that the catalog does not have, or for a new one that it already has."""
        if key in known_names(self.policy):
            check_known(key, value, self.choices(key))
        if key == "name" and value in self.units:
            raise click.UsageError(f"'{value}' is in the catalog already; 'authz catalog update {value}' changes it")

    def uses(self, name: str) -> list[str]:
        """Return every place, as file and line, where a rule or a legacy service names a unit primitive."""
        found = {*self._in_rules(name), *self._in_services(name)}
        return [f"{file}:{line}" for file, line in sorted(found)]

    def heading(self) -> str:
        """Return the line by which editors find the schema of a unit primitive, if this policy has it."""
        name = "schema/unit_primitives.json"
        return f"# yaml-language-server: $schema=../../{name}\n" if (self.policy / name).is_file() else ""

    def _in_rules(self, name: str) -> Iterator[tuple[Path, int]]:
        for document in read_folder(self.policy / "rules", RulesFile, Findings()):
            for position, entry in enumerate(document.content.rules):
                for inside, access in entry.accesses():
                    for where, names in access.named_unit_primitives():
                        for index, each in enumerate(names):
                            if each == name:
                                yield document.file, document.line(("rules", position, *inside, *where, index))

    def _in_services(self, name: str) -> Iterator[tuple[Path, int]]:
        names = {name, *self.unit(name).content.alias_names}
        for service in self.files.services:
            for position, each in enumerate(service.content.unit_primitives):
                if each in names:
                    yield service.file, service.line(("unit_primitives", position))


def open_catalog(policy: Path) -> OpenCatalog:
    """Read the catalog of a policy directory. Raises ConfigurationError with every problem of it."""
    findings = Findings()
    if not policy.is_dir():
        findings.problem(policy, 0, "is not a directory: name a policy directory with --policy")
        findings.conclude()
    files = read_catalog_files(policy, findings)
    findings.conclude()
    units = MappingProxyType({document.content.name: document for document in files.units})
    return OpenCatalog(policy, catalog_folder(policy) or policy, files, units)
