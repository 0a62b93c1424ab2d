"""Where rules and legacy services use a unit primitive."""

from collections.abc import Iterator
from pathlib import Path

from authz.cli.catalog.open_catalog import OpenCatalog
from authz.documents.findings import Findings
from authz.documents.reader import read_folder
from authz.policy.rules.schema import RulesFile


def uses(opened: OpenCatalog, name: str) -> list[str]:
    """Return every place, as file and line, where a rule or a legacy service names a unit primitive."""
    found = {*_in_rules(opened.policy / "rules", name), *_in_services(opened, name)}
    return [f"{file}:{line}" for file, line in sorted(found)]


def _in_rules(folder: Path, name: str) -> Iterator[tuple[Path, int]]:
    for document in read_folder(folder, RulesFile, Findings()):
        for position, entry in enumerate(document.content.rules):
            for where, names in entry.named_unit_primitives():
                for index, each in enumerate(names):
                    if each == name:
                        yield document.file, document.line(("rules", position, *where, index))


def _in_services(opened: OpenCatalog, name: str) -> Iterator[tuple[Path, int]]:
    names = {name, *opened.unit(name).content.alias_names}
    for service in opened.services:
        for position, each in enumerate(service.content.unit_primitives):
            if each in names:
                yield service.file, service.line(("unit_primitives", position))
