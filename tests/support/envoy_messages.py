"""Envoy's complete messages, from envoy-data-plane, to compare our trimmed ones with.

They are read through `Any`: a type checker cannot see that their classes are dataclasses.
"""

import importlib
import warnings
from dataclasses import fields
from typing import Any, cast

import betterproto2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

with warnings.catch_warnings():  # pydantic has deprecated the form of the classes
    warnings.simplefilter("ignore")
    from envoy_data_plane.envoy.config.core import v3 as core
    from envoy_data_plane.envoy.service.auth import v3 as auth
    from envoy_data_plane.envoy.type import v3 as http
    from envoy_data_plane.google import protobuf, rpc

__all__ = ["agree", "auth", "complete", "complete_fields", "core", "described", "http", "is_map", "protobuf", "rpc"]


def described(message: Message | type[Message]) -> Descriptor:
    """Return the descriptor of a message; the stubs have another class for it."""
    return cast("Descriptor", message.DESCRIPTOR)


def complete(ours: Descriptor) -> Any:
    """Return Envoy's complete class for one of our messages."""
    package = ours.file.package
    module = importlib.import_module(f"envoy_data_plane.{package}")
    return getattr(module, ours.full_name.removeprefix(package).replace(".", ""))


def complete_fields(ours: Descriptor) -> dict[int, tuple[str, betterproto2.FieldMetadata]]:
    """Return name and description of the complete message's fields by number."""
    found = ((field.name, field.metadata["betterproto"]) for field in fields(complete(ours)))
    return {metadata.number: (name, metadata) for name, metadata in found}


def is_map(message: Descriptor | None) -> bool:
    """Whether this message is the encoding of a map's entry."""
    return message is not None and bool(message.GetOptions().map_entry)


def agree(ours: Message, theirs: Any) -> None:
    """Assert that every field of ours has the same value in both."""
    names = complete_fields(described(ours))
    for field in described(ours).fields:
        mine, their = getattr(ours, field.name), getattr(theirs, names[field.number][0])
        if field.message_type is None:
            assert (list(mine) == their) if field.is_repeated else (mine == (their or type(mine)()))
        elif is_map(field.message_type):
            assert mine.keys() == their.keys()
            for key, value in mine.items():
                _agree_values(value, their[key])
        elif field.is_repeated:
            for left, right in zip(mine, their, strict=True):
                agree(left, right)
        else:
            assert ours.HasField(field.name) == (their is not None)
            if their is not None:
                agree(mine, their)


def _agree_values(mine: Any, their: Any) -> None:
    if isinstance(mine, Message):
        agree(mine, their)
    else:
        assert mine == their
