"""Reads Envoy's CheckRequest (envoy.service.auth.v3)."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError

from authz.deciding import facts
from authz.deciding._proto.external_auth_pb2 import CheckRequest
from authz.model import Request

MAX_HEADERS: Final = 1_000
MAX_HEADER_BYTES: Final = 128 * 1024


class UnreadableRequestError(Exception):
    """The bytes are no CheckRequest, or its headers are too many or too large."""


def to_request(message: bytes) -> Request:
    """Return the request in a CheckRequest; what is absent reads as empty. Raises UnreadableRequestError."""
    try:
        check = CheckRequest.FromString(message)
    except DecodeError:
        raise UnreadableRequestError("bytes are no CheckRequest") from None
    attributes = check.attributes
    http = attributes.request.http
    headers = http.headers
    if len(headers) > MAX_HEADERS:
        raise UnreadableRequestError("too many headers")
    # A message within the bound cannot hold headers beyond it, so the usual request is not counted.
    if len(message) > MAX_HEADER_BYTES and _size(headers.items()) > MAX_HEADER_BYTES:
        raise UnreadableRequestError("headers too large")
    return Request(http.method, http.path, headers, attributes.context_extensions.get(facts.BACKEND_SERVICE))


def _size(headers: Iterable[tuple[str, str]]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in headers)
