"""The catalog: which unit primitives and backend services exist, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import Field

from authz.documents import OpenSchema, read_folder
from authz.model import BackendService

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authz.documents import Document
    from authz.errors import Findings

__all__ = ["Catalog", "read_catalog"]


class BackendServiceFile(OpenSchema):
    """One file of `backend_services/`."""

    name: str
    description: str
    project_url: str
    group: str
    jwt_aud: str


class UnitPrimitiveFile(OpenSchema):
    """One file of `unit_primitives/`."""

    name: str
    description: str
    group: str
    feature_category: str
    documentation_url: str
    milestone: str | None = None
    introduced_by_url: str | None = None
    unit_primitive_issue_url: str | None = None
    deprecated_by_url: str | None = None
    deprecation_message: str | None = None
    cut_off_date: datetime | date | str | None = None
    min_gitlab_version: str | None = None
    min_gitlab_version_for_free_access: str | None = None
    alias_names: list[str] = Field(default_factory=list)
    license_types: list[str] = Field(default_factory=list)
    backend_services: list[str] = Field(default_factory=list)
    add_ons: list[str] = Field(default_factory=list)
    operators: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The names that rules and issuers may use. `unit_primitives` maps each to the backends it is granted for."""

    backend_services: Mapping[str, BackendService]
    unit_primitives: Mapping[str, frozenset[str]]


def read_catalog(folder: Path, findings: Findings) -> Catalog:
    """Read `catalog/`, or `config/` as `gitlab-cloud-connector` names it, below a policy directory."""
    root = next((folder / name for name in ("catalog", "config") if (folder / name).is_dir()), None)
    if root is None:
        findings.problem(folder, 0, "holds no catalog/ (or config/) directory")
        return Catalog({}, {})
    backends: dict[str, BackendService] = {}
    for backend in read_folder(root / "backend_services", BackendServiceFile, findings):
        if _name_fits(backend, findings):
            backends[backend.content.name] = BackendService(backend.content.name, backend.content.jwt_aud)
    unit_primitives: dict[str, frozenset[str]] = {}
    for unit in read_folder(root / "unit_primitives", UnitPrimitiveFile, findings):
        if _name_fits(unit, findings):
            unit_primitives[unit.content.name] = frozenset(unit.content.backend_services)
    return Catalog(MappingProxyType(backends), MappingProxyType(unit_primitives))


def _name_fits(document: Document[BackendServiceFile] | Document[UnitPrimitiveFile], findings: Findings) -> bool:
    name, stem = document.content.name, document.file.stem
    if name != stem:
        findings.problem(
            document.file, document.line(("name",)), f"name '{name}' differs from the file's name '{stem}'"
        )
    return name == stem
