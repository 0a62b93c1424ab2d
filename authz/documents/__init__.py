"""YAML documents: the one place where they are read, made and changed."""

from authz.documents.reader import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Document,
    Where,
    read,
    read_bytes,
    read_folder,
)
from authz.documents.schema import Duration, OpenSchema, Schema, seconds

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Document",
    "Duration",
    "OpenSchema",
    "Schema",
    "Where",
    "read",
    "read_bytes",
    "read_folder",
    "seconds",
]
