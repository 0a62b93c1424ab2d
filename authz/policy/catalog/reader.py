"""Reads the files of a catalog into one value, and checks the names by which they refer to each other."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from authz.documents.findings import Findings
from authz.documents.reader import Document, read_folder
from authz.policy.catalog.model import Catalog, Service
from authz.policy.catalog.schema import (
    SCHEMAS,
    BackendServiceFile,
    BundleFile,
    NamedFile,
    OperatorFile,
    ServiceFile,
    UnitPrimitiveFile,
)

_FOLDERS: Final = ("catalog", "config")
_NEEDED: Final = frozenset({"unit_primitives", "backend_services"})

V = TypeVar("V")
F = TypeVar("F", bound=NamedFile)


def catalog_folder(policy: Path) -> Path | None:
    """Return `catalog/` of a policy directory, or `config/` as `gitlab-cloud-connector` names it."""
    return next((policy / name for name in _FOLDERS if (policy / name).is_dir()), None)


@dataclass(frozen=True, slots=True)
class CatalogFiles:
    """A catalog, and the files that it was read from."""

    catalog: Catalog
    units: tuple[Document[UnitPrimitiveFile], ...]
    backend_services: tuple[Document[BackendServiceFile], ...]
    add_ons: tuple[Document[BundleFile], ...]
    license_types: tuple[Document[BundleFile], ...]
    services: tuple[Document[ServiceFile], ...]


def read_catalog(policy: Path, findings: Findings) -> Catalog:
    """Read the catalog of a policy directory; problems go to `findings`. Folders that do not exist are empty."""
    return read_catalog_files(policy, findings).catalog


def read_catalog_files(policy: Path, findings: Findings) -> CatalogFiles:
    """Read the catalog as `read_catalog` does, and return the files too."""
    root = catalog_folder(policy)
    if root is None:
        inside = policy.name in _FOLDERS and (policy / "unit_primitives").is_dir()
        hint = f": name the folder around it, {policy.parent}" if inside else ""
        findings.problem(policy, 0, f"has no catalog/ (or config/) directory{hint}")
        root = policy / "catalog"
    backends = read_kind(root / "backend_services", BackendServiceFile, findings)
    units = read_kind(root / "unit_primitives", UnitPrimitiveFile, findings)
    services = read_kind(root / "services", ServiceFile, findings)
    operators = read_kind(root / "operators", OperatorFile, findings)
    add_ons = read_kind(root / "add_ons", BundleFile, findings)
    license_types = read_kind(root / "license_types", BundleFile, findings)
    aliases = _aliases(units, findings)
    known = dict(known_names(policy))
    known["unit_primitives"] = {*known["unit_primitives"], *aliases}
    referring: list[Document[NamedFile]] = [*units, *services, *operators]
    for document in referring:
        check_references(document, known, findings)
    catalog = Catalog(
        unit_primitives=_built(units, UnitPrimitiveFile.built),
        backend_services=_built(backends, BackendServiceFile.built),
        add_ons=_names(add_ons),
        license_types=_names(license_types),
        services=_with_own_names(_built(services, ServiceFile.built), aliases),
        operators=_built(operators, OperatorFile.built),
    )
    return CatalogFiles(catalog, tuple(units), tuple(backends), tuple(add_ons), tuple(license_types), tuple(services))


def read_kind(folder: Path, schema: type[F], findings: Findings) -> list[Document[F]]:
    """Read the files of one kind. A file whose name is not the entry's is a problem, and is not read."""
    named: list[Document[F]] = []
    for document in read_folder(folder, schema, findings):
        name, stem = document.content.name, document.file.stem
        if name != stem:
            document.problem(("name",), f"name '{name}' differs from the file's name '{stem}'", findings)
        elif named and named[-1].content.name == name:
            document.problem(("name",), f"'{name}' is in {named[-1].file.name} too", findings)
        else:
            named.append(document)
    return named


def known_names(policy: Path) -> Mapping[str, Collection[str]]:
    """Return the names that entries may refer to, by folder; a missing optional folder allows any name.

    They are the names of files, so that a file that cannot be read is reported once, and not by all that refer to it.
    """
    root = catalog_folder(policy) or policy
    folders = [root / folder for folder in SCHEMAS if folder in _NEEDED or (root / folder).is_dir()]
    return {folder.name: frozenset(file.stem for file in folder.glob("*.y*ml")) for folder in folders}


def check_references(document: Document[NamedFile], known: Mapping[str, Collection[str]], findings: Findings) -> None:
    """Report names that an entry refers to and that are not in the catalog."""

    def check(name: str, folder: str, *where: str | int) -> None:
        if name not in known.get(folder, (name,)):
            document.problem(where, f"'{name}' is not in {folder}/", findings)

    content = document.content
    for folder in SCHEMAS:
        for position, name in enumerate(getattr(content, folder, ())):
            check(name, folder, folder, position)
    if isinstance(content, ServiceFile) and content.basic_unit_primitive is not None:
        basic = content.basic_unit_primitive
        check(basic, "unit_primitives", "basic_unit_primitive")
        if basic not in content.unit_primitives:
            message = f"'{basic}' is not in unit_primitives: the first of them describes the service"
            document.warning(("basic_unit_primitive",), message, findings)


def _aliases(units: list[Document[UnitPrimitiveFile]], findings: Findings) -> Mapping[str, str]:
    """Return the unit primitive of each name and alias. An alias never takes over a name that is already used."""
    owners = {unit.content.name: unit.content.name for unit in units}
    for unit in units:
        for position, alias in enumerate(unit.content.alias_names):
            owner = owners.setdefault(alias, unit.content.name)
            if owner != unit.content.name:
                message = f"'{alias}' is ignored: it is a name of unit primitive '{owner}'"
                unit.warning(("alias_names", position), message, findings)
    return owners


def _built(documents: list[Document[F]], build: Callable[[F], V]) -> Mapping[str, V]:
    return MappingProxyType({document.content.name: build(document.content) for document in documents})


def _names(documents: list[Document[BundleFile]]) -> frozenset[str]:
    return frozenset(document.content.name for document in documents)


def _with_own_names(services: Mapping[str, Service], aliases: Mapping[str, str]) -> Mapping[str, Service]:
    """Return the services with names of unit primitives in place of aliases."""

    def named(service: Service) -> Service:
        basic = service.basic_unit_primitive
        units = tuple(dict.fromkeys(aliases.get(name, name) for name in service.unit_primitives))
        return replace(service, basic_unit_primitive=aliases.get(basic or "", basic), unit_primitives=units)

    return MappingProxyType({name: named(service) for name, service in services.items()})
