"""Makes tokens and requests like those of real clients, and hostile ones.

    mint = Minter()                                      # a fixed clock; Minter(now=time.time()) for a running server
    token = mint.token(claims={"scopes": ["duo_chat"]})  # an instance token; issuer="ai-gateway" for a user token
    check = request("/ai/v2/chat/agent", token=token)    # the bytes that Envoy would send

`encode` signs any bytes with any function: `Key.sign`, `hmac_with(secret)`, `lambda _: b""`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from authz.deciding._proto import external_auth_pb2
from tests.support.certificates import Certificate, pem
from tests.support.issuers import PRODUCTION, Profile
from tests.support.signing import Key, encode

NOW: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
INSTANCE: Final = "6b1e6a52-4d3c-4f0e-9b7d-2f4c8a1d9e33"
USER: Final = "W2HPShrOch8RMah8ZWsjrXtAXo+stqKsNX0exQ1rsQQ="
SEATS: Final = 50
ROOT: Final = Certificate("Root", ca=True)
NULL: Final = object()
"""JSON's null among claims or header members, where None leaves the member out."""

_LABELS: Final = {
    "/ai": "ai_gateway",
    "/auth": "ai_gateway",
    "/grpc.health.v1.Health": "duo_workflow_service",
    "/duo-workflow": "duo_workflow_service",
    "/DuoWorkflow": "duo_workflow_service",
    "/observability": "observability",
    "/sast": "sast",
}


def write_keys(directory: Path, keys: Mapping[str, Iterable[Key]] | None = None) -> Path:
    """Write `<issuer>.jwks.json` per issuer; return the directory.

    By default for every shipped production issuer, with `ROOT` as the anchor of issuers that trust only chains.
    """
    if keys is None:
        keys = {name: [profile.key] for name, profile in PRODUCTION.items() if profile.has_keys}
        write_anchors(directory, PRODUCTION.keys() - keys.keys())
    directory.mkdir(parents=True, exist_ok=True)
    for issuer, members in keys.items():
        document = {"keys": [member.jwk() for member in members]}
        (directory / f"{issuer}.jwks.json").write_text(json.dumps(document, indent=2) + "\n")
    return directory


def write_anchors(directory: Path, issuers: Iterable[str]) -> None:
    """Write `<issuer>.ca.pem` with `ROOT` per issuer."""
    directory.mkdir(parents=True, exist_ok=True)
    for issuer in issuers:
        (directory / f"{issuer}.ca.pem").write_text(pem([ROOT]))


@dataclass(frozen=True, slots=True)
class Minter:
    """Makes the tokens of issuers at one moment (`now`, seconds since the epoch)."""

    now: float = NOW
    profiles: Mapping[str, Profile] = field(default_factory=lambda: PRODUCTION)

    def claims(self, issuer: str = "customers-dot", now: float | None = None) -> dict[str, object]:
        """Return the claims of a valid token of that issuer."""
        profile, now = self.profiles[issuer], int(self.now if now is None else now)
        return {
            "iss": profile.identifier,
            "sub": USER if profile.speaks_for_user else INSTANCE,
            "aud": "gitlab-ai-gateway",
            "exp": now + profile.lifetime,
            "nbf": now if profile.speaks_for_user else now - 5,
            "iat": now,
            "jti": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "gitlab_realm": profile.realm,
            "gitlab_instance_id": INSTANCE,
            "duo_seat_count": str(SEATS),
            "scopes": ["complete_code"],
        }

    def header(self, issuer: str = "customers-dot") -> dict[str, object]:
        """Return the header of a valid token of that issuer, with its key's id unless the issuer allows none."""
        profile = self.profiles[issuer]
        named = {"kid": profile.key.kid} if profile.names_key else {}
        return {"typ": "JWT", "alg": profile.algorithm, **named}

    def token(
        self,
        issuer: str = "customers-dot",
        claims: Mapping[str, object] | None = None,
        header: Mapping[str, object] | None = None,
        key: Key | None = None,
        now: float | None = None,
    ) -> str:
        """Return a valid token with the given changes; a member that is None is left out."""
        signer = key or self.profiles[issuer].key
        members = compact(self.header(issuer), header or {})
        return encode(members, compact(self.claims(issuer, now), claims or {}), signer.sign)


def compact(defaults: Mapping[str, object], overrides: Mapping[str, object]) -> bytes:
    """Return the JSON object of both; a member that is None is left out, one that is NULL becomes null."""
    members = {name: value for name, value in {**defaults, **overrides}.items() if value is not None}
    nulled = {name: None if value is NULL else value for name, value in members.items()}
    return json.dumps(nulled, separators=(",", ":")).encode()


def client_headers(
    token: str | None = None, issuer: str = "customers-dot", overrides: Mapping[str, str | None] | None = None
) -> dict[str, str]:
    """Return the headers of a client of that issuer, in lower case; an override of None leaves the header out."""
    headers: dict[str, str | None] = {
        "authorization": None if token is None else f"Bearer {token}",
        "x-gitlab-authentication-type": "oidc",
        "x-gitlab-realm": PRODUCTION[issuer].realm if issuer in PRODUCTION else "self-managed",
        "x-gitlab-instance-id": INSTANCE,
        "x-gitlab-global-user-id": USER,
        "x-request-id": "01J5ZC3W9Q4T8V2N7K6M1B0XYZ",
        **{name.lower(): value for name, value in (overrides or {}).items()},
    }
    return {name: value for name, value in headers.items() if value is not None}


def request(
    path: str = "/ai/v2/code/completions",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    label: str | None = "",
) -> bytes:
    """Return a serialised CheckRequest.

    Without `headers` it has those of a self-managed instance with that `token`. `label` is that of Envoy's route;
    empty: the one for the path; None: no label.
    """
    fitting = next(
        (name for prefix, name in _LABELS.items() if f"{path.partition('?')[0]}/".startswith(f"{prefix}/")), None
    )
    named = label or (fitting if label == "" else None)
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.method, http.path = method, path
    http.headers.update(client_headers(token) if headers is None else headers)
    http.headers.update({":method": method, ":path": path, ":authority": "cloud.gitlab.com", ":scheme": "https"})
    if named is not None:
        message.attributes.context_extensions["backend_service"] = named
    return message.SerializeToString()
