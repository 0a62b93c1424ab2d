"""Envoy's wire: CheckRequest bytes become a request, a decision becomes CheckResponse bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.message import DecodeError

from authz.deciding._proto.base_pb2 import HeaderValue, HeaderValueOption
from authz.deciding._proto.external_auth_pb2 import CheckRequest, CheckResponse
from authz.deciding.correlation import request_id
from authz.deciding.decision import UNKNOWN, Allowed, Decision, Denied, Identity
from authz.deciding.reasons import Reason
from authz.model import Request, TokenType

MAX_HEADERS: Final = 1_000
MAX_HEADER_BYTES: Final = 128 * 1024
LABEL: Final = "backend_service"
SELF_MANAGED: Final = "self-managed"


class UnreadableRequestError(Exception):
    """Bytes that are no CheckRequest, or one beyond the bounds on headers."""


def to_request(message: bytes) -> Request:
    """Read a CheckRequest (envoy.service.auth.v3). Raises UnreadableRequestError; what is absent reads as empty."""
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
    return Request(http.method, http.path, headers, attributes.context_extensions.get(LABEL))


def to_response(decision: Decision, headers: Mapping[str, str]) -> bytes:
    """Write a CheckResponse; `headers` are the request's, for its id and the protocol that its client speaks."""
    response = CheckResponse()
    match decision:
        case Denied():
            _write_denial(response, decision, headers)
        case Allowed():
            _write_metadata(response, decision)
            response.ok_response.headers.extend(_identity_headers(decision.identity))
    return response.SerializeToString()


def _size(headers: Iterable[tuple[str, str]]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in headers)


def _write_denial(response: CheckResponse, denied: Denied, headers: Mapping[str, str]) -> None:
    answer, message = denied.answer, denied.message
    response.status.code = answer.code.value
    response.status.message = message
    body = {"error": message, "reason": denied.reason.value}
    named = request_id(headers)
    if named is not None:
        body["request_id"] = named
    http = response.denied_response
    http.status.code = answer.status
    http.body = json.dumps(body)
    http.headers.extend(_option(name, value) for name, value in _denial_headers(denied, headers))
    facts = response.dynamic_metadata.fields
    facts["outcome"].string_value = "denied"
    facts["reason"].string_value = denied.reason.value
    if denied.backend_service is not None:
        facts[LABEL].string_value = denied.backend_service
    if answer.status == _UNAUTHORIZED and not denied.signature_valid:
        facts["auth_outcome"].string_value = "failed"


_UNAUTHORIZED: Final = 401
_CHALLENGED: Final = frozenset({Reason.INVALID_TOKEN, Reason.HEADER_MISMATCH})


def _denial_headers(denied: Denied, headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    yield "content-type", "application/json"
    if denied.answer.status == _UNAUTHORIZED:
        yield "www-authenticate", 'Bearer error="invalid_token"' if denied.reason in _CHALLENGED else "Bearer"
    if denied.methods:
        yield "allow", ", ".join(denied.methods)
    if headers.get("content-type", "").startswith("application/grpc"):
        yield "grpc-status", str(denied.answer.code.value)
        yield "grpc-message", denied.message


def _write_metadata(response: CheckResponse, allowed: Allowed) -> None:
    """Flat strings alone: Envoy's descriptors take lists, numbers and empty texts as absent."""
    facts = response.dynamic_metadata.fields
    facts["outcome"].string_value = "allowed"
    facts["reason"].string_value = allowed.reason.value
    facts[LABEL].string_value = allowed.backend_service
    identity = allowed.identity
    if identity is None:
        return
    realm = identity.claims.realm or SELF_MANAGED
    facts["unit_primitive"].string_value = identity.unit_primitive
    facts["token_type"].string_value = identity.claims.issuer.token_type.value
    facts["issuer"].string_value = identity.issuer
    facts["realm"].string_value = realm
    facts["tier"].string_value = identity.tier
    facts["instance_id"].string_value = identity.instance_id
    facts["user_id"].string_value = identity.user_id
    if realm == SELF_MANAGED and identity.instance_id != UNKNOWN:
        facts["limited_instance_id"].string_value = identity.instance_id


def _identity_headers(identity: Identity | None) -> Iterable[HeaderValueOption]:
    if identity is None:
        return
    yield _option("x-gitlab-authorized-unit-primitive", identity.unit_primitive)
    if identity.instance_id != UNKNOWN:
        yield _option("x-gitlab-authorized-instance-id", identity.instance_id)
    if identity.claims.issuer.token_type is TokenType.USER:
        yield _option("x-gitlab-authorized-user-id", identity.claims.subject)
    if identity.claims.realm:
        yield _option("x-gitlab-authorized-realm", identity.claims.realm)


def _option(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value), append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    )
