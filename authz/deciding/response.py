"""Writes Envoy's CheckResponse (envoy.service.auth.v3): status, headers, body and dynamic metadata."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Final

from authz.deciding import facts
from authz.deciding._proto.base_pb2 import HeaderValue, HeaderValueOption
from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.deciding.decision import UNKNOWN, Allowed, Decision, Denied, Identity
from authz.deciding.reasons import Reason
from authz.model import SAAS, SELF_MANAGED, TokenType

_UNAUTHORIZED: Final = 401
_CHALLENGED: Final = frozenset({Reason.INVALID_TOKEN, Reason.HEADER_MISMATCH})


def to_response(decision: Decision, request_id: str | None, headers: Mapping[str, str]) -> bytes:
    """Return the answer to a request that had these headers; a denial repeats its id and speaks its protocol."""
    response = CheckResponse()
    if isinstance(decision, Denied):
        _write_denial(response, decision, request_id, headers)
    else:
        _write_metadata(response, decision)
        response.ok_response.headers.extend(_identity_headers(decision.identity))
        if decision.stream_seconds is not None:
            milliseconds = max(1, math.ceil(decision.stream_seconds * 1000))
            response.ok_response.headers.append(_option(facts.STREAM_DURATION, str(milliseconds)))
    return response.SerializeToString()


def _write_denial(response: CheckResponse, denied: Denied, request_id: str | None, headers: Mapping[str, str]) -> None:
    answer, message = denied.answer, denied.message
    response.status.code = answer.code.value
    response.status.message = message
    body = {"error": message, "detail": message, "reason": denied.reason.value}
    if request_id is not None:
        body["request_id"] = request_id
    http = response.denied_response
    http.status.code = answer.status
    http.body = json.dumps(body)
    http.headers.extend(_option(name, value) for name, value in _denial_headers(denied, headers))
    metadata = response.dynamic_metadata.fields
    metadata[facts.OUTCOME].string_value = facts.DENIED
    metadata[facts.REASON].string_value = denied.reason.value
    if denied.backend_service is not None:
        metadata[facts.BACKEND_SERVICE].string_value = denied.backend_service
    if answer.status == _UNAUTHORIZED and not denied.signature_valid:
        metadata[facts.AUTH_OUTCOME].string_value = facts.FAILED


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
    """Write flat strings alone: Envoy's descriptors take lists, numbers and empty texts as absent."""
    metadata = response.dynamic_metadata.fields
    metadata[facts.OUTCOME].string_value = facts.ALLOWED
    metadata[facts.REASON].string_value = allowed.reason.value
    metadata[facts.BACKEND_SERVICE].string_value = allowed.backend_service
    identity = allowed.identity
    if identity is None:
        return
    realm = identity.claims.counted_realm
    if identity.unit_primitive:
        metadata[facts.UNIT_PRIMITIVE].string_value = identity.unit_primitive
    metadata[facts.TOKEN_TYPE].string_value = identity.claims.issuer.token_type.value
    metadata[facts.ISSUER].string_value = identity.issuer
    metadata[facts.REALM].string_value = realm
    metadata[facts.TIER].string_value = identity.tier
    metadata[facts.INSTANCE_ID].string_value = identity.instance_id
    metadata[facts.USER_ID].string_value = identity.user_id
    if realm == SELF_MANAGED and identity.instance_id != UNKNOWN:
        metadata[facts.LIMITED_INSTANCE_ID].string_value = identity.instance_id
    if realm == SAAS and identity.claims.root_namespace_id:
        metadata[facts.LIMITED_NAMESPACE_ID].string_value = identity.claims.root_namespace_id


def _identity_headers(identity: Identity | None) -> Iterable[HeaderValueOption]:
    if identity is None:
        return
    if identity.unit_primitive:
        yield _option(facts.AUTHORIZED_UNIT_PRIMITIVE, identity.unit_primitive)
    if identity.instance_id != UNKNOWN:
        yield _option(facts.AUTHORIZED_INSTANCE_ID, identity.instance_id)
    if identity.claims.issuer.token_type is TokenType.USER:
        yield _option(facts.AUTHORIZED_USER_ID, identity.claims.subject)
    if identity.claims.realm:
        yield _option(facts.AUTHORIZED_REALM, identity.claims.realm)


def _option(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value), append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    )
