"""Catalog files: their schema, and reading them into a catalog."""

from authz.catalog_files.reader import catalog_folder, check_references, known_names, read_catalog, read_kind
from authz.catalog_files.schema import SCHEMAS, NamedFile, OperatorFile, ServiceFile, UnitPrimitiveFile, moment

__all__ = [
    "SCHEMAS",
    "NamedFile",
    "OperatorFile",
    "ServiceFile",
    "UnitPrimitiveFile",
    "catalog_folder",
    "check_references",
    "known_names",
    "moment",
    "read_catalog",
    "read_kind",
]
