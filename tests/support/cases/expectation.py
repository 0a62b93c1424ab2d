"""Returns the expected answer of a case and the actual answer as mappings, to compare them in full."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import grpc

from authz.deciding._proto.base_pb2 import HeaderValueOption
from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.documents.reader import read
from authz.documents.schema import Schema
from tests.support.cases.problems import PROBLEMS
from tests.support.cases.rows import Row
from tests.support.issuers import Profile
from tests.support.minting import SEATS
from tests.support.repository import CASES as CASE_FILES
from tests.support.tiers import tier_of

STREAM_DURATION: Final = "x-envoy-upstream-stream-duration-ms"
SAAS_TIER: Final = "large"
"""The tier that tiers.yml assigns to gitlab.com."""
CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}
Texts = dict[str, str]


class Reason(Schema):
    """One reason of reasons.yaml."""

    status: int
    code: str
    message: str
    backend_service: bool = True
    www_authenticate: str | None = None
    auth_outcome: str | None = None


class TokenError(Schema):
    """One token error of reasons.yaml."""

    auth_outcome: str | None = None


class Reasons(Schema):
    """The contents of reasons.yaml."""

    reasons: dict[str, Reason]
    token_errors: dict[str, TokenError]


class Backend(Schema):
    """One backend of callers.yaml."""

    audience: str
    prefixes: list[str]


class Caller(Schema):
    """One issuer of callers.yaml."""

    metadata: Texts
    request_headers: Texts


class Callers(Schema):
    """The contents of callers.yaml."""

    backends: dict[str, Backend]
    callers: dict[str, Caller]

    def backend(self, path: str) -> str:
        """Return the name of the backend of a path; the first one if it has none."""
        for name, backend in self.backends.items():
            if any(f"{path.partition('?')[0]}/".startswith(f"{prefix}/") for prefix in backend.prefixes):
                return name
        return next(iter(self.backends))


def _reasons() -> Reasons:
    document = read(CASE_FILES / "reasons.yaml", Reasons, PROBLEMS)
    return document.content if document else Reasons(reasons={}, token_errors={})


def _callers() -> Callers:
    document = read(CASE_FILES / "callers.yaml", Callers, PROBLEMS)
    return document.content if document else Callers(backends={}, callers={})


REASONS: Final = _reasons()
CALLERS: Final = _callers()


def expected(row: Row, profile: Profile) -> dict[str, object]:
    """Return the whole expected answer of a row."""
    backend = CALLERS.backend(row.request.partition(" ")[2])
    if row.deny is not None:
        return _refusal(row, row.deny, backend)
    metadata: Texts = {"outcome": "allowed", "reason": "public", "backend_service": backend}
    request_headers: Texts = {}
    if row.allow != "public":
        caller, granted = _caller(profile), row.allow or ""
        metadata |= {"tier": tier_of(SEATS), **caller.metadata, "reason": "allowed"}
        request_headers = dict(caller.request_headers)
        if granted != "authenticated":
            metadata["unit_primitive"] = request_headers["x-gitlab-authorized-unit-primitive"] = granted
    return {
        "http": None,
        "code": "OK",
        "body": None,
        "reply": {},
        "token_error": None,
        "metadata": _without_nulls({**metadata, **row.metadata}),
        "request_headers": _without_nulls({**request_headers, **row.request_headers}),
    }


def _caller(profile: Profile) -> Caller:
    """Return the expected caller of an issuer's tokens, by its name or else by its kind of token."""
    if profile.name in CALLERS.callers:
        return CALLERS.callers[profile.name]
    usual = CALLERS.callers["user" if profile.speaks_for_user else "instance"]
    metadata = {**usual.metadata, "issuer": profile.name, "realm": profile.realm}
    if profile.realm != usual.metadata["realm"]:  # only self-managed instances are limited as one
        del metadata["limited_instance_id"]
        metadata["tier"] = SAAS_TIER
    realm = {"x-gitlab-authorized-realm": profile.realm}
    return Caller(metadata=metadata, request_headers={**usual.request_headers, **realm})


def _refusal(row: Row, name: str, backend: str) -> dict[str, object]:
    reason = REASONS.reasons[name]
    error = REASONS.token_errors[row.token_error] if row.token_error else None
    message = row.text or reason.message.replace("<name>", row.names or "<name>")
    number = next(number for number, code in CODES.items() if code == reason.code)
    reply = {"content-type": "application/json", "www-authenticate": reason.www_authenticate}
    if row.grpc:
        reply |= {"grpc-status": str(number), "grpc-message": message}
    metadata = {
        "outcome": "denied",
        "reason": name,
        "backend_service": backend if reason.backend_service else None,
        "auth_outcome": error.auth_outcome if error else reason.auth_outcome,
    }
    return {
        "http": reason.status,
        "code": reason.code,
        "body": _without_nulls({"error": message, "detail": message, "reason": name, "request_id": row.request_id}),
        "reply": _without_nulls({**reply, **row.reply}),
        "token_error": row.token_error,
        "metadata": _without_nulls({**metadata, **row.metadata}),
        "request_headers": {},
    }


def observed(message: bytes, token_error: str | None) -> dict[str, object]:
    """Return the answer that a serialised CheckResponse holds."""
    response = CheckResponse.FromString(message)
    denied = response.WhichOneof("http_response") == "denied_response"
    reply = response.denied_response
    return {
        "http": reply.status.code if denied else None,
        "code": CODES[response.status.code],
        "body": json.loads(reply.body) if denied else None,
        "reply": _headers(reply.headers),
        "token_error": token_error,
        "metadata": {name: value.string_value for name, value in response.dynamic_metadata.fields.items()},
        "request_headers": {
            name: value for name, value in _headers(response.ok_response.headers).items() if name != STREAM_DURATION
        },
    }


def stream_duration(message: bytes) -> int | Literal["never"]:
    """Return the milliseconds until Envoy ends the stream."""
    found = _headers(CheckResponse.FromString(message).ok_response.headers).get(STREAM_DURATION)
    return "never" if found is None else int(found)


def _headers(options: Iterable[HeaderValueOption]) -> Texts:
    pairs = [(option.header.key, option.header.value) for option in options]
    assert len(dict(pairs)) == len(pairs), f"a header is there twice: {pairs}"
    return dict(pairs)


def _without_nulls(texts: Mapping[str, str | None]) -> Texts:
    return {name: text for name, text in texts.items() if text is not None}
