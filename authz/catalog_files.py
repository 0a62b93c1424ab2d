"""Catalog files: the schema of `gitlab-cloud-connector`'s `config/`, read into a catalog, its references checked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from authz.catalog import Bundle, Catalog, Operator, Service, UnitPrimitive
from authz.documents import OpenSchema, read_folder
from authz.model import BackendService
from authz.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from authz.documents import Document
    from authz.errors import Findings

__all__ = [
    "SCHEMAS",
    "BackendServiceFile",
    "BundleFile",
    "NamedFile",
    "OperatorFile",
    "ServiceFile",
    "UnitPrimitiveFile",
    "catalog_folder",
    "read_catalog",
]

V = TypeVar("V")


def _moment(value: object) -> datetime:
    """Read a date as YAML has it, or as upstream writes it: `2024-10-17 00:00:00 UTC`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.removesuffix(" UTC"))
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("should be a date such as 2024-10-17 00:00:00 UTC")  # noqa: TRY004  pydantic collects ValueErrors
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _version(value: str) -> str:
    Version.parse(value)
    return value


def _operator(value: str) -> str:
    if not value.endswith("_operator"):
        raise ValueError("should end in _operator")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], Field(default_factory=list)]
Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
VersionText = Annotated[str, AfterValidator(_version)]


class NamedFile(OpenSchema):
    """What every catalog file holds."""

    name: Name


class UnitPrimitiveFile(NamedFile):
    """One file of `unit_primitives/`."""

    description: Text
    group: Text
    feature_category: Text
    documentation_url: Text
    milestone: str | None = None
    introduced_by_url: str | None = None
    unit_primitive_issue_url: str | None = None
    deprecated_by_url: str | None = None
    deprecation_message: str | None = None
    cut_off_date: Moment | None = None
    min_gitlab_version: VersionText | None = None
    min_gitlab_version_for_free_access: VersionText | None = None
    alias_names: list[str] = Field(default_factory=list)
    license_types: Names
    backend_services: Names
    add_ons: Names
    operators: Names


class BackendServiceFile(NamedFile):
    """One file of `backend_services/`."""

    description: Text
    project_url: Text
    group: Text
    jwt_aud: Text


class BundleFile(NamedFile):
    """One file of `add_ons/` or `license_types/`."""

    description: Text


class ServiceFile(NamedFile):
    """One file of `services/`."""

    description: Text
    basic_unit_primitive: Name | None = None
    gitlab_realm: list[Literal["gitlab-com", "self-managed"]] = Field(default_factory=list)
    unit_primitives: Annotated[list[Name], Field(min_length=1)]


class OperatorFile(NamedFile):
    """One file of `operators/`."""

    name: Annotated[Name, AfterValidator(_operator)]
    add_ons: Names
    license_types: Names


SCHEMAS: Final[Mapping[str, type[NamedFile]]] = MappingProxyType(
    {
        "unit_primitives": UnitPrimitiveFile,
        "backend_services": BackendServiceFile,
        "add_ons": BundleFile,
        "license_types": BundleFile,
        "services": ServiceFile,
        "operators": OperatorFile,
    }
)
"""The schema of the files in each folder of a catalog."""

F = TypeVar("F", bound=NamedFile)


def catalog_folder(policy: Path) -> Path | None:
    """Return `catalog/` of a policy directory, or `config/` as `gitlab-cloud-connector` names it."""
    return next((policy / name for name in ("catalog", "config") if (policy / name).is_dir()), None)


def read_catalog(policy: Path, findings: Findings) -> Catalog:
    """Read the catalog of a policy directory; problems go to `findings`. Folders that do not exist are empty."""
    root = catalog_folder(policy)
    if root is None:
        findings.problem(policy, 0, "holds no catalog/ (or config/) directory")
        root = policy / "catalog"
    units = _read(root / "unit_primitives", UnitPrimitiveFile, findings)
    services = _read(root / "services", ServiceFile, findings)
    operators = _read(root / "operators", OperatorFile, findings)
    catalog = Catalog(
        unit_primitives=_built(units, _unit_primitive),
        backend_services=_built(_read(root / "backend_services", BackendServiceFile, findings), _backend_service),
        add_ons=_built(_read(root / "add_ons", BundleFile, findings), _bundle),
        license_types=_built(_read(root / "license_types", BundleFile, findings), _bundle),
        services=_built(services, _service),
        operators=_built(operators, _operator_value),
    )
    _check_references(units, root, catalog, findings)
    _check_references(services, root, catalog, findings)
    _check_references(operators, root, catalog, findings)
    return catalog


def _read(folder: Path, schema: type[F], findings: Findings) -> list[Document[F]]:
    documents = read_folder(folder, schema, findings)
    for document in documents:
        name, stem = document.content.name, document.file.stem
        if name != stem:
            message = f"name '{name}' differs from the file's name '{stem}'"
            findings.problem(document.file, document.line(("name",)), message)
    return documents


def _built(documents: list[Document[F]], build: Callable[[F], V]) -> Mapping[str, V]:
    return MappingProxyType({document.content.name: build(document.content) for document in documents})


def _check_references(documents: Sequence[Document[F]], root: Path, catalog: Catalog, findings: Findings) -> None:
    """Report names of entries that do not exist, where the catalog has a folder that could hold them."""
    known: Mapping[str, Collection[str]] = {
        folder: getattr(catalog, folder) for folder in SCHEMAS if folder != "services" and (root / folder).is_dir()
    }
    for document in documents:
        for folder, names in known.items():
            for position, name in enumerate(getattr(document.content, folder, ())):
                if name not in names:
                    line = document.line((folder, position))
                    findings.problem(document.file, line, f"'{name}' is not in {folder}/")
        basic = getattr(document.content, "basic_unit_primitive", None)
        if basic is not None and basic not in catalog.unit_primitives:
            line = document.line(("basic_unit_primitive",))
            findings.problem(document.file, line, f"'{basic}' is not in unit_primitives/")


def _unit_primitive(file: UnitPrimitiveFile) -> UnitPrimitive:
    free = file.min_gitlab_version_for_free_access
    return UnitPrimitive(
        name=file.name,
        description=file.description,
        group=file.group,
        feature_category=file.feature_category,
        documentation_url=file.documentation_url,
        license_types=tuple(file.license_types),
        backend_services=tuple(file.backend_services),
        add_ons=tuple(file.add_ons),
        operators=tuple(file.operators),
        cut_off_date=file.cut_off_date,
        min_gitlab_version=Version.parse(file.min_gitlab_version) if file.min_gitlab_version else None,
        min_gitlab_version_for_free_access=Version.parse(free) if free else None,
        deprecation_message=file.deprecation_message,
        deprecated_by_url=file.deprecated_by_url,
    )


def _backend_service(file: BackendServiceFile) -> BackendService:
    return BackendService(file.name, file.jwt_aud)


def _bundle(file: BundleFile) -> Bundle:
    return Bundle(file.name, file.description)


def _service(file: ServiceFile) -> Service:
    realms = tuple(file.gitlab_realm)
    return Service(file.name, file.description, file.basic_unit_primitive, realms, tuple(file.unit_primitives))


def _operator_value(file: OperatorFile) -> Operator:
    return Operator(file.name, tuple(file.add_ons), tuple(file.license_types))
