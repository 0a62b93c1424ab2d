"""The decision log: a line for each answer, with enough to decide the request again, and never its token."""

import hashlib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from random import SystemRandom
from typing import Final, NamedTuple

from authz.deciding import facts
from authz.deciding.access import Binding, Bindings, Caller, compare_bound
from authz.deciding.decision import Allowed, Decision, Mismatch
from authz.deciding.judge import Judgement
from authz.deciding.observation import Observation
from authz.model import Claims, TokenRule
from authz.observing.json_log import timestamp, to_json
from authz.observing.line_writer import MAX_LINE
from authz.tokens.proof import Refusal

MAX_PATH: Final = 1_024
MAX_METHOD: Final = 32
MAX_LABEL: Final = 64
MAX_VALUE: Final = 256
HASH_DIGITS: Final = 16
LEAST_TOKEN: Final = 16
"""A text shorter than this is no token, and may be a piece of one by chance."""
REDACTED: Final = "[token]"
# `{"` and `{ ` in base64url, and whatever may go on a token: dots in any spelling, and parts behind a slash that are as
# long as a signature. Linear: behind a repetition without end nothing must follow, so none is ever taken back.
_TOKEN: Final = re.compile(r"ey[AJ][A-Za-z0-9_.%-]{13,}(?:/[A-Za-z0-9_-]{40,})*")
_PURPOSE: Final = re.compile(r"[a-z0-9_]{1,64}")
_SHORT: Final = {"path": 64, "method": 8, "route_label": 16}
_LISTS: Final = ("scopes", "audiences", "certificates", "unit_primitives", "claims", "mismatch", "headers")
_MICRO: Final = 1e6
_RANDOM: Final = SystemRandom()


class HeaderValues(StrEnum):
    """How the log shows the two values of a header mismatch.

    `hashed` writes the first 16 digits of a value's SHA-256, so that equal values can be recognised.
    """

    PLAIN = "plain"
    HASHED = "hashed"
    OFF = "off"


class DecisionLog:
    """Logs every denial, and a random sample of the allows: `allow_sample` of them, 0.0 to 1.0.

    `put` takes what renders a line and calls it later (`LineWriter.put`). `draw` returns random numbers from 0.0 to
    below 1.0: nothing of the request decides, not even its id, which its client chooses and may use again.
    """

    def __init__(
        self,
        put: Callable[[Callable[[], str]], None],
        allow_sample: float,
        worker: int,
        header_values: HeaderValues = HeaderValues.HASHED,
        draw: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._put = put
        self._header_values = header_values
        self._allow_sample = allow_sample
        self._worker = worker
        self._draw = draw

    def observe(self, observation: Observation) -> None:
        """Log an answer, unless it is an allow that the sample leaves out."""
        if isinstance(observation.judgement.decision, Allowed) and not self._is_sampled():
            return
        entry, worker = extract(observation, self._header_values), self._worker
        self._put(lambda: render(entry, worker))

    def _is_sampled(self) -> bool:
        part = self._allow_sample
        return part > 0.0 and (part >= 1.0 or self._draw() < part)


class Entry(NamedTuple):
    """What a line is made from: bounded copies of what may be logged, and never the request itself.

    `method` is None where the request could not be read. `purpose` is the unit primitive that a header names, if it
    could be one; `user_id` is the caller's, redacted where it is a piece of the token.
    """

    judgement: Judgement
    at: float | None
    seconds: float
    revision: str
    method: str | None = None
    path: str = ""
    label: str | None = None
    purpose: str | None = None
    user_id: str = ""
    bound: tuple[tuple[str, Binding], ...] = ()
    mismatch: Mismatch | None = None


def extract(observation: Observation, header_values: HeaderValues) -> Entry:
    """Return what the line of an observation needs of it."""
    request, judgement = observation.request, observation.judgement
    basis = (judgement, observation.at, observation.seconds, observation.revision)
    if request is None:
        return Entry(*basis)
    headers = request.headers
    authorization = headers.get(facts.AUTHORIZATION, "")
    purpose = headers.get(facts.UNIT_PRIMITIVE_HEADER, "")
    return Entry(
        *basis,
        method=request.method[:MAX_METHOD],
        path=_path(request.target, authorization),
        label=request.label and request.label[:MAX_LABEL],
        purpose=purpose if _PURPOSE.fullmatch(purpose) else None,
        user_id=_user_id(judgement.caller, authorization),
        bound=_bound(judgement, headers),
        mismatch=_mismatch(judgement.decision, authorization, header_values),
    )


def render(entry: Entry, worker: int) -> str:
    """Return the line. One that would not fit into one write is cut: shorter texts, and no lists."""
    members = _members(entry, worker)
    line = to_json(members)
    if len(line) < MAX_LINE:
        return line
    for name in members.keys() & _SHORT.keys():
        members[name] = str(members[name])[: _SHORT[name]]
    for name in _LISTS:
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
    return REDACTED.join([*before, last[: max(0, kept)]])[:MAX_PATH]


def _user_id(caller: Caller | None, authorization: str) -> str:
    """Return the caller's user id, but no piece of the token: under an instance token, the client chooses the id."""
    user_id = "" if caller is None else caller.user_id
    return REDACTED if len(user_id) >= LEAST_TOKEN and user_id in authorization else user_id


def _bound(judgement: Judgement, headers: Mapping[str, str]) -> tuple[tuple[str, Binding], ...]:
    rule, token = judgement.rule, judgement.token
    if not isinstance(rule, TokenRule) or token is None or token.claims is None:
        return ()
    return tuple((bound.header, binding) for bound, binding in compare_bound(headers, rule, token.claims))


def _mismatch(decision: Decision, authorization: str, header_values: HeaderValues) -> Mismatch | None:
    """Return the two values as the log may show them, never a part of the token."""
    if isinstance(decision, Allowed) or decision.mismatch is None or header_values is HeaderValues.OFF:
        return None
    return Mismatch(*(_shown(value, authorization, header_values) for value in decision.mismatch))


def _shown(value: str, authorization: str, header_values: HeaderValues) -> str:
    if not value:
        return ""
    if header_values is HeaderValues.HASHED:
        return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    if len(value) >= LEAST_TOKEN and value in authorization:
        return REDACTED
    return _TOKEN.sub(REDACTED, value[:MAX_VALUE])


def _members(entry: Entry, worker: int) -> dict[str, object]:
    judgement = entry.judgement
    decision, token, caller, ids = judgement.decision, judgement.token, judgement.caller, judgement.ids
    members: dict[str, object] = {
        "time": None if entry.at is None else timestamp(entry.at),
        "level": "info",
        "event": "decision",
        "outcome": facts.ALLOWED if isinstance(decision, Allowed) else facts.DENIED,
        "reason": decision.reason,
        "token_error": token.error if isinstance(token, Refusal) else None,
        "named": None if isinstance(decision, Allowed) else decision.named or None,
        "mismatch": None
        if entry.mismatch is None
        else {"header": entry.mismatch.said, "claim": entry.mismatch.claimed},
        "shadow_reason": judgement.shadow and judgement.shadow.reason,
        "request_id": ids.request_id,
        "trace_id": ids.trace_id,
        "method": entry.method or "",
        "path": _TOKEN.sub(REDACTED, entry.path),
        "route_label": entry.label,
        "backend_service": decision.backend_service,
        "unit_primitives": _unit_primitives(judgement) or None,
        "unit_primitive_header": entry.purpose,
        "tier": caller and caller.tier,
        **_proven(entry),
        "headers": None if entry.method is None else _headers(caller, entry.bound),
        "revision": entry.revision,
        "duration_us": round(entry.seconds * _MICRO),
        "worker": worker,
    }
    return {name: value for name, value in members.items() if value is not None}


def _headers(caller: Caller | None, bound: tuple[tuple[str, Binding], ...]) -> dict[str, Binding]:
    """Return the result of each bound header; one that is bound twice fails if either comparison fails."""
    found: dict[str, Binding] = {}
    for header, binding in bound:
        if found.get(header, Binding.MATCH) in {Binding.MATCH, Binding.NOT_CHECKED}:
            found[header] = binding
    return {**found, **(caller.bindings if caller else Bindings())._asdict()}


def _unit_primitives(judgement: Judgement) -> tuple[str, ...]:
    """Return those that were granted, or that a refused request would have needed."""
    decision, demanded = judgement.decision, judgement.demanded
    if isinstance(decision, Allowed) and decision.identity is not None:
        return tuple(filter(None, decision.identity.unit_primitive.split(",")))
    return () if demanded is None else demanded.unit_primitives


def _proven(entry: Entry) -> dict[str, object]:
    """Return what a token says, once its signature is proven; before that only the issuer it names."""
    token, caller = entry.judgement.token, entry.judgement.caller
    if token is None:
        return {}
    claims, issuer, signer = token.claims, token.issuer, token.signer
    return {
        "issuer": None if issuer is None else issuer.name,
        "key_id": signer and signer.key.kid,
        "certificates": (signer and signer.thumbprints) or None,
        **({} if claims is None or caller is None else _claimed(claims, caller.instance_id, entry.user_id)),
    }


def _claimed(claims: Claims, instance_id: str, user_id: str) -> dict[str, object]:
    return {
        "token_type": claims.issuer.token_type,
        "realm": claims.realm or None,
        "instance_id": instance_id,
        "user_id": user_id,
        "subject": None if claims.subject in {instance_id, user_id} else claims.subject,
        "token_id": claims.token_id or None,
        "root_namespace_id": claims.root_namespace_id or None,
        "claims": dict(claims.named) or None,
        "scopes": sorted(claims.scopes),
        "audiences": sorted(claims.audiences),
        "seats": claims.seats,
        "issued": _date(claims.issued),
        "not_before": None if claims.not_before is None else _date(claims.not_before),
        "expires": _date(claims.expires),
    }


def _date(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds
