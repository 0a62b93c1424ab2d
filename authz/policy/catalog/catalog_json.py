"""The JSON catalog: what GitLab instances get from CustomersDot, and keep in their database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from authz.documents.reader import Document
from authz.documents.schema import Schema
from authz.policy.catalog.reader import CatalogFiles
from authz.policy.catalog.schema import Name, NamedFile, Text, VersionText

E = TypeVar("E", bound=Schema)


def _written(value: object) -> object:
    """Write a date as Rails does."""
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


# default_factory makes a key optional without a default in the JSON Schema, where an empty one would be invalid.
OptionalText = Annotated[str, Field(min_length=1, default_factory=str)]
OptionalVersion = Annotated[VersionText, Field(default_factory=str)]
OptionalNames = Annotated[list[Name], Field(min_length=1, default_factory=list)]
OptionalDate = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}\+00:00$", default_factory=str),
    BeforeValidator(_written),
]


class UnitPrimitiveEntry(Schema):
    """A unit primitive, with the keys that `gitlab-cloud-connector` gives it. Empty values are left out."""

    name: Name
    description: Text
    group: Text
    feature_category: Text
    documentation_url: Text
    milestone: Annotated[OptionalText, BeforeValidator(str)]
    introduced_by_url: OptionalText
    unit_primitive_issue_url: OptionalText
    deprecated_by_url: OptionalText
    deprecation_message: OptionalText
    cut_off_date: Annotated[OptionalDate, Field(description="When free access ends; left out: it stays free.")]
    min_gitlab_version: OptionalVersion
    min_gitlab_version_for_free_access: OptionalVersion
    alias_names: Annotated[list[Text], Field(min_length=1, default_factory=list)]
    license_types: OptionalNames
    backend_services: OptionalNames
    add_ons: OptionalNames


class BackendServiceEntry(Schema):
    """A backend service."""

    name: Name
    jwt_aud: Text
    description: OptionalText
    project_url: OptionalText
    group: OptionalText


class BundleEntry(Schema):
    """An add-on or a license type."""

    name: Name
    description: OptionalText


class CatalogJson(Schema):
    """The JSON catalog. Entries are sorted by name; names in their lists refer to entries."""

    add_ons: list[BundleEntry]
    backend_services: list[BackendServiceEntry]
    license_types: list[BundleEntry]
    unit_primitives: list[UnitPrimitiveEntry]


def catalog_json(files: CatalogFiles) -> dict[str, Any]:  # Any: JSON
    """Return the document. Equal catalogs give equal documents.

    It is made from the files, because the catalog as values keeps only what decisions need. It has no services, because
    GitLab's own document has none, and no operators, because GitLab's models have none.
    """
    document = CatalogJson(
        add_ons=_entries(BundleEntry, files.add_ons),
        backend_services=_entries(BackendServiceEntry, files.backend_services),
        license_types=_entries(BundleEntry, files.license_types),
        unit_primitives=_entries(UnitPrimitiveEntry, files.units),
    )
    return document.model_dump(mode="json", exclude_unset=True)


def _entries(schema: type[E], documents: Iterable[Document[NamedFile]]) -> list[E]:
    contents = sorted((document.content for document in documents), key=lambda content: content.name)
    return [_entry(schema, content) for content in contents]


def _entry(schema: type[E], content: NamedFile) -> E:
    """Return an entry with those keys of the format that its file sets."""
    said = content.model_dump()
    return schema.model_validate({key: said[key] for key in schema.model_fields if said.get(key)})
