"""The line of a decision: what may be told of a request, taken from it at once and written out later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from authz.deciding.binding import Said, bindings, said
from authz.deciding.correlation import request_id, trace_id
from authz.deciding.decision import Allowed, caller
from authz.deciding.judgement import Judgement, demanded, named_issuer
from authz.deciding.observation import Observation
from authz.model import Claims, Request
from authz.observing.json_log import timestamp, to_json
from authz.observing.line_writer import MAX_LINE
from authz.tokens.refusal import Refusal

MAX_PATH: Final = 1_024
MAX_METHOD: Final = 32
MAX_LABEL: Final = 64
LEAST_TOKEN: Final = 16
"""What is shorter than that is no token, and may well be a piece of one by chance."""
NOT_SAID: Final = "[token]"
# `{"` and `{ ` in base64url, and whatever may go on a token: dots in any spelling, and parts behind a slash that are as
# long as a signature. Linear: behind a repetition without end nothing must follow, so none is ever taken back.
_TOKEN: Final = re.compile(r"ey[AJ][A-Za-z0-9_.%-]{13,}(?:/[A-Za-z0-9_-]{40,})*")
_PURPOSE: Final = re.compile(r"[a-z0-9_]{1,64}")
_SHORT: Final = {"path": 64, "method": 8, "route_label": 16}
_MICRO: Final = 1e6


class Entry(NamedTuple):
    """What a line is made from: bounded copies of what may be told, and never the request itself.

    `purpose` is the unit primitive that a header names, if it could be one.
    """

    judgement: Judgement
    at: float | None
    seconds: float
    revision: str
    request_id: str | None = None
    trace_id: str | None = None
    method: str = ""
    path: str = ""
    label: str | None = None
    purpose: str | None = None
    caller: tuple[str, str] | None = None
    unit_primitives: tuple[str, ...] = ()
    said: Said | None = None


def extract(observation: Observation) -> Entry:
    """Take from an observation what its line will tell."""
    request, judgement = observation.request, observation.judgement
    basis = (judgement, observation.at, observation.seconds, observation.revision)
    if request is None:
        return Entry(*basis)
    headers = request.headers
    claims = None if judgement.token is None else judgement.token.claims
    authorization = headers.get("authorization", "")
    purpose = headers.get("x-gitlab-unit-primitive", "")
    return Entry(
        *basis,
        request_id=request_id(headers),
        trace_id=trace_id(headers),
        method=request.method[:MAX_METHOD],
        path=_path(request.target, authorization),
        label=request.label and request.label[:MAX_LABEL],
        purpose=purpose if _PURPOSE.fullmatch(purpose) else None,
        caller=None if claims is None else _caller(request, judgement, claims),
        unit_primitives=_unit_primitives(judgement, headers),
        said=said(headers),
    )


def render(entry: Entry, worker: int) -> str:
    """Return the line, which fits one write: where it would not, it is cut shorter, without its lists."""
    members = _members(entry, worker)
    line = to_json(members)
    if len(line) < MAX_LINE:
        return line
    for name in members.keys() & _SHORT.keys():
        members[name] = str(members[name])[: _SHORT[name]]
    for name in ("scopes", "audiences", "certificates", "unit_primitives"):
        members.pop(name, None)
    return to_json({**members, "cut": True})


def _path(target: str, authorization: str) -> str:
    """Return the path's first MAX_PATH characters without the credential; neither is read further than that takes."""
    token = authorization.rpartition(" ")[2][:MAX_PATH]
    if len(token) < LEAST_TOKEN:
        return target[:MAX_PATH].partition("?")[0]
    path = target[: MAX_PATH + len(token)].partition("?")[0]
    *before, last = path.split(token)
    # What lies behind MAX_PATH was only there to see the end of a token, and may be the beginning of another.
    kept = MAX_PATH - (len(path) - len(last))
    return NOT_SAID.join([*before, last[: max(0, kept)]])[:MAX_PATH]


def _caller(request: Request, judgement: Judgement, claims: Claims) -> tuple[str, str]:
    """Return instance and user, but no user that is a piece of the token: who it is may be what the client says."""
    decision = judgement.decision
    identity = decision.identity if isinstance(decision, Allowed) else None
    instance_id, user_id = caller(request, claims) if identity is None else (identity.instance_id, identity.user_id)
    is_piece = len(user_id) >= LEAST_TOKEN and user_id in request.headers.get("authorization", "")
    return instance_id, NOT_SAID if is_piece else user_id


def _unit_primitives(judgement: Judgement, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return those that were granted, or that a refused request would have needed."""
    decision = judgement.decision
    if isinstance(decision, Allowed) and decision.identity is not None:
        return tuple(decision.identity.unit_primitive.split(","))
    return demanded(judgement.rule, headers)


def _members(entry: Entry, worker: int) -> dict[str, object]:
    decision, token = entry.judgement.decision, entry.judgement.token
    allowed = isinstance(decision, Allowed)
    members: dict[str, object] = {
        "time": None if entry.at is None else timestamp(entry.at),
        "level": "info",
        "event": "decision",
        "outcome": "allowed" if allowed else "denied",
        "reason": decision.reason,
        "token_error": token.error if isinstance(token, Refusal) else None,
        "named": None if isinstance(decision, Allowed) else decision.named or None,
        "request_id": entry.request_id,
        "trace_id": entry.trace_id,
        "method": entry.method,
        "path": _TOKEN.sub(NOT_SAID, entry.path),
        "route_label": entry.label,
        "backend_service": decision.backend_service,
        "unit_primitives": entry.unit_primitives or None,
        "unit_primitive_header": entry.purpose,
        "tier": entry.judgement.tier or None,
        **_proven(entry),
        "headers": entry.said and bindings(entry.said, None if token is None else token.claims),
        "revision": entry.revision,
        "duration_us": round(entry.seconds * _MICRO),
        "worker": worker,
    }
    return {name: value for name, value in members.items() if value is not None}


def _proven(entry: Entry) -> dict[str, object]:
    """Return what a token told of its bearer, once its signature was proven; before that only the issuer it names."""
    token = entry.judgement.token
    if token is None:
        return {}
    claims = token.claims
    issuer, signer = named_issuer(token), token.signer
    return {
        "issuer": None if issuer is None else issuer.name,
        "key_id": signer and signer.key.kid,
        "certificates": (signer and signer.thumbprints) or None,
        **({} if claims is None else _claimed(claims, entry.caller or ("", ""))),
    }


def _claimed(claims: Claims, who: tuple[str, str]) -> dict[str, object]:
    instance_id, user_id = who
    return {
        "token_type": claims.issuer.token_type,
        "realm": claims.realm or None,
        "instance_id": instance_id,
        "user_id": user_id,
        "subject": None if claims.subject in who else claims.subject,
        "token_id": claims.token_id or None,
        "scopes": sorted(claims.scopes),
        "audiences": sorted(claims.audiences),
        "seats": claims.seats,
        "issued": _date(claims.issued),
        "not_before": None if claims.not_before is None else _date(claims.not_before),
        "expires": _date(claims.expires),
    }


def _date(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds
