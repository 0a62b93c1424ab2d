"""The decision log: enough to decide anew, nothing that opens a door, and nothing a client can write lines with."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random, SystemRandom
from typing import Any, Final, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deciding.access import decide, demand, identify
from authz.deciding.observation import Observation
from authz.model import Claims, Request, TokenRule
from authz.observing.decision_log import _TOKEN, MAX_PATH, DecisionLog, HeaderValues, _path
from authz.observing.line_writer import MAX_LINE
from authz.policy.load import Policy
from authz.tokens.claims import validity_error
from authz.tokens.proof import Proof
from tests.support.issuers import PRODUCTION
from tests.support.minting import INSTANCE, NOW, ROOT, USER, Minter, client_headers, request
from tests.support.observing import LEAF, chained, observe, observed
from tests.support.tables import row

Line = dict[str, Any]  # Any: JSON

ID: Final = "1543f25e-0604-443f-b7de-1f83989e68fa"


def written(observation: Observation, header_values: HeaderValues = HeaderValues.HASHED) -> str:
    """Return the one line of an observation."""
    lines: list[str] = []
    DecisionLog(lambda render: lines.append(render()), 1.0, 3, header_values).observe(observation)
    ((line),) = lines
    return line


def line_of(observation: Observation) -> Line:
    line: Line = json.loads(written(observation))
    return line


def test_an_allow_tells_everything(policy: Policy) -> None:
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    seen = observed(policy, "/ai/v2/code/completions?key=secret", headers=trace)._replace(seconds=0.000_123)
    assert line_of(seen) == {
        "time": "2026-01-01T00:00:00.000000Z",
        "level": "info",
        "event": "decision",
        "outcome": "allowed",
        "reason": "allowed",
        "request_id": ID,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "method": "POST",
        "path": "/ai/v2/code/completions",
        "route_label": "ai_gateway",
        "backend_service": "ai_gateway",
        "unit_primitives": ["complete_code"],
        "tier": "small",
        "issuer": "customers-dot",
        "key_id": PRODUCTION["customers-dot"].key.kid,
        "token_type": "instance",
        "realm": "self-managed",
        "instance_id": INSTANCE,
        "user_id": USER,
        "token_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "scopes": ["complete_code"],
        "audiences": ["gitlab-ai-gateway"],
        "seats": 50,
        "issued": NOW,
        "not_before": NOW - 5,
        "expires": NOW + PRODUCTION["customers-dot"].lifetime,
        "headers": {"realm": "match", "instance": "match", "user": "not_checked"},
        "revision": policy.revision,
        "duration_us": 123,
        "worker": 3,
    }


KEY: Final = PRODUCTION["customers-dot"].key.kid
KNOWN: Final = {
    "issuer": "customers-dot",
    "tier": "small",
    "unit_primitives": ["complete_code", "amazon_q_integration"],
}
EXPIRED: Final = {"outcome": "denied", "reason": "invalid_token", "token_error": "expired", "instance_id": INSTANCE}
UNKNOWN_ISSUER: Final = {"token_error": "unknown_issuer", **dict.fromkeys(("issuer", "key_id", "scopes", "tier"))}
MISMATCH: Final = {"realm": "mismatch", "instance": "match", "user": "not_checked"}
NO_RULE: Final = {"reason": "no_rule", "request_id": None, "backend_service": None, "issuer": None, "path": "/nowhere"}
PUBLIC: Final = {"outcome": "allowed", "reason": "public", "unit_primitives": None, "issuer": None}
PURPOSE: Final = "x-gitlab-unit-primitive"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        row("an expired token was somebody's", {"claims": {"exp": NOW - 1}}, {**EXPIRED, **KNOWN}),
        row("an unknown issuer is not named", {"claims": {"iss": "https://evil.example"}}, UNKNOWN_ISSUER),
        row(
            "the key of odd claims",
            {"claims": {"sub": "no identifier"}},
            {"token_error": "invalid_claim", "issuer": "customers-dot", "key_id": KEY, "instance_id": None},
        ),
        row(
            "a header that does not match",
            {"headers": {"x-gitlab-realm": "saas"}},
            {"reason": "header_mismatch", "named": "X-Gitlab-Realm", "headers": MISMATCH},
        ),
        row("an id that is none", {"headers": {"x-request-id": "no id"}, "path": "/nowhere"}, NO_RULE),
        row("what a header names", {"headers": {PURPOSE: "ask_build"}}, {"unit_primitive_header": "ask_build"}),
        row("what could be none", {"headers": {PURPOSE: "Ask\nbuild"}}, {"unit_primitive_header": None}),
        row("no user that counts", {"headers": {"x-gitlab-global-user-id": "no user"}}, {"user_id": "unknown"}),
        row("a public endpoint", {"path": "/ai/monitoring/healthz", "method": "GET"}, PUBLIC),
        row("a long method", {"method": "M" * 40}, {"reason": "method_not_allowed", "method": "M" * 32}),
        row(
            "a subject of its own",
            {"claims": {"gitlab_instance_id": "claimed"}},
            {"instance_id": "claimed", "subject": INSTANCE},
        ),
        row(
            "a date with a fraction",
            {"claims": {"exp": NOW + 60.5, "nbf": None}},
            {"expires": NOW + 60.5, "not_before": None},
        ),
    ],
)
def test_what_was_known_is_told(policy: Policy, seen: dict[str, Any], expected: Line) -> None:
    line = line_of(observed(policy, **seen))
    assert {name: line.get(name) for name in expected} == expected


def test_a_user_token_tells_its_user(policy: Policy) -> None:
    line = line_of(observed(policy, issuer="ai-gateway", headers={"x-gitlab-global-user-id": USER}))
    assert (line["reason"], line["token_type"], line["user_id"]) == ("allowed", "user", USER)


def test_a_chain_tells_its_certificates(policy: Policy) -> None:
    line = line_of(observed(policy, headers=chained()))
    assert (line["reason"], line["key_id"]) == ("allowed", f"x5c:{LEAF.thumbprint}")
    assert {LEAF.thumbprint, ROOT.thumbprint} <= set(line["certificates"])


def test_bytes_that_are_no_request_have_a_line(policy: Policy) -> None:
    line = line_of(observe(policy.judge, b"\xff"))
    assert (line["reason"], line["path"], line["revision"]) == ("internal_error", "", policy.revision)


def test_without_a_clock_a_line_has_no_time(policy: Policy) -> None:
    assert "time" not in line_of(observed(policy)._replace(at=None))


# --- enough to decide anew

BOUND_BY_PROXIES: Final = {
    "x-gitlab-project-id": "gitlab_project_id",
    "x-gitlab-namespace-id": "gitlab_namespace_id",
    "x-gitlab-root-namespace-id": "gitlab_root_namespace_id",
}


def rebuilt(line: Line, policy: Policy) -> tuple[Request, Claims]:
    """Make request and claims from a line alone."""
    issuer = next(issuer for issuer in policy.issuers if issuer.name == line["issuer"])
    by_user = line["token_type"] == "user"
    claims = Claims(
        issuer=issuer,
        subject=str(line.get("subject", line["user_id" if by_user else "instance_id"])),
        audiences=frozenset(line["audiences"]),
        scopes=frozenset(line["scopes"]),
        expires=line["expires"],
        issued=line["issued"],
        not_before=line.get("not_before"),
        realm=line.get("realm", ""),
        instance_id="" if line["instance_id"] == "unknown" else line["instance_id"],
        token_id=line.get("token_id", ""),
        root_namespace_id=line.get("root_namespace_id", ""),
        named=line.get("claims", {}),
        seats=line.get("seats"),
    )
    said = {"match": None, "mismatch": "other", "absent": "", "not_checked": ""}
    matching = {"realm": claims.realm, "instance": line["instance_id"], "user": line["user_id"]}
    names = {"realm": "x-gitlab-realm", "instance": "x-gitlab-instance-id", "user": "x-gitlab-global-user-id"}
    bound = {name: outcome for name, outcome in line["headers"].items() if name not in names}
    headers = {"x-gitlab-unit-primitive": line.get("unit_primitive_header", "")}
    for name, outcome in bound.items():
        headers[name] = said[outcome] or claims.named.get(BOUND_BY_PROXIES[name], "")
    for name, outcome in (each for each in line["headers"].items() if each[0] in names):
        value = said[outcome]
        headers[names[name]] = matching[name] if value is None else value
    headers["x-gitlab-global-user-id"] = headers["x-gitlab-global-user-id"] or line["user_id"]
    return Request(line["method"], line["path"], headers, line.get("route_label")), claims


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({}, id="an allow"),
        pytest.param({"issuer": "ai-gateway"}, id="a user"),
        pytest.param({"claims": {"scopes": ["duo_chat", "ask_build"], "duo_seat_count": 150}}, id="without the scope"),
        pytest.param({"headers": {"x-gitlab-realm": "saas"}}, id="another realm"),
        pytest.param({"headers": {"x-gitlab-instance-id": ""}}, id="no instance"),
        pytest.param({"claims": {"exp": NOW - 1}}, id="an expired token"),
        pytest.param({"claims": {"exp": NOW + 10 * 86_400}}, id="a lifetime too long"),
        pytest.param({"claims": {"aud": "another"}}, id="another audience"),
        pytest.param({"issuer": "ai-gateway", "path": "/ai/v1/code/user_access_token"}, id="a type not allowed"),
        pytest.param(
            {"path": "/ai/v1/proxy/anthropic/v1/messages", "headers": {"x-gitlab-unit-primitive": "ask_build"}},
            id="by header",
        ),
        pytest.param({"path": "/ai/v1/proxy/anthropic/v1/messages"}, id="by header, without it"),
    ],
)
def test_a_line_is_enough_to_decide_anew(policy: Policy, seen: dict[str, Any]) -> None:
    line = line_of(observed(policy, **seen))
    asked, claims = rebuilt(line, policy)
    judge = policy.judge
    rule = judge.rules.match(asked.method, asked.target)
    assert isinstance(rule, TokenRule)
    error = validity_error(claims, rule.backend, NOW)
    assert error == line.get("token_error")
    tier = judge.tiers.of(claims)
    assert tier == line["tier"]
    if error is None:
        caller = identify(asked.headers, claims, tier)
        decision = decide(asked.headers, rule, demand(rule, asked.headers), claims, caller)
        assert (decision.reason, decision.backend_service) == (line["reason"], line["backend_service"])


# --- nothing that opens a door

HOSTILE: Final = st.text(max_size=40) | st.sampled_from(
    ["\n", "\r\n", '"', "\\", "\x1b[2J", "\u2028", "\ud800", '{"event":"decision"}', "\x00", "\x7f", "é" * 500]
)


def secrets_of(authorization: str) -> list[str]:
    """Return the parts of a credential that nobody may read in a log."""
    return [part[:64] for part in authorization.rpartition(" ")[2].split(".") if len(part) >= 16]


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    token=st.sampled_from(
        [
            Minter().token(),
            Minter().token(claims={"sub": ["very", "private"]}),
            Minter().token(claims={"exp": 0}),
            Minter().token(header={"kid": "nobody"}),
            "very.private.token" * 4,
            "x" * 20_000,
        ]
    ),
    scheme=st.sampled_from(["Bearer ", "Basic ", "", "Bearer  "]),
    path=HOSTILE,
    method=HOSTILE,
    place=st.sampled_from(["path", "query", "user", "realm", "instance", "purpose", "id", "nowhere"]),
    headers=st.dictionaries(
        st.sampled_from(
            ["x-gitlab-realm", "x-gitlab-instance-id", "x-gitlab-global-user-id", "x-request-id", "traceparent"]
        ),
        HOSTILE,
    ),
)
def test_no_line_holds_a_token_or_breaks(
    policy: Policy, token: str, scheme: str, path: str, method: str, place: str, headers: dict[str, str]
) -> None:
    piece = token if place in {"path", "query"} else max(token.split("."), key=len)
    placed = {"user": "x-gitlab-global-user-id", "realm": "x-gitlab-realm", "instance": "x-gitlab-instance-id"}
    placed |= {"purpose": "x-gitlab-unit-primitive", "id": "traceparent"}
    target = {"path": f"/ai/{path}{token}/x", "query": f"/ai/v2/code/completions?{token}"}.get(place, f"/ai/{path}")
    sent = {**client_headers(), **headers, "authorization": scheme + token}
    if place in placed:
        sent[placed[place]] = piece
    asked = Request(method, target, sent, "ai_gateway")
    judgement = policy.judge.judge(asked, float(NOW))
    line = written(Observation(asked, judgement, NOW, 0.0, policy.revision))
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < MAX_LINE
    members = json.loads(line)
    assert set(members) <= MEMBERS
    assert not any(secret in line for secret in secrets_of(sent["authorization"]))


MEMBERS: Final = {
    *("time", "level", "event", "outcome", "reason", "token_error", "named", "request_id", "trace_id", "method"),
    *("path", "route_label", "backend_service", "unit_primitives", "unit_primitive_header", "tier", "issuer", "key_id"),
    *("certificates", "token_type", "realm", "instance_id", "user_id", "subject", "token_id", "scopes", "audiences"),
    *("seats", "issued", "not_before", "expires", "headers", "revision", "duration_us", "worker", "cut"),
    *("mismatch", "shadow_reason", "root_namespace_id", "claims"),
}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/ai/eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl/x", "/ai/[token]/x"),
        ("/ai/eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.", "/ai/[token]"),
        ("/ai/" + "a" * 1_000 + "/eyJhbGciOiJSUzI1NiJ9eyJpc3MiOiJ4", "/ai/" + "a" * 1_000 + "/[token]"),
        ("/ai/key/eye.html", "/ai/key/eye.html"),
        ("/ai/keyboard_settings_of_all.json", "/ai/keyboard_settings_of_all.json"),
        ("/ai/eyJhbGciOiJub25l", "/ai/[token]"),
        ("/ai/eyJhbGciOiJub25", "/ai/eyJhbGciOiJub25"),
        ("/ai/x_eyAiYWxnIjogIlJTMjU2In0.eyJpc3MiOiJ4In0.c2lnbmF0dXJl/x", "/ai/x_[token]/x"),
    ],
)
def test_what_looks_like_a_token_is_not_told_whosever_it_is(policy: Policy, path: str, shown: str) -> None:
    assert line_of(observed(policy, path))["path"] == shown


@pytest.mark.parametrize("dot", ["%2E", "%2e", "%252E", "/", "..", "%2F", ",", "~"])
def test_a_token_is_not_told_however_its_dots_are_spelt(policy: Policy, dot: str) -> None:
    """2026-11-22: with %2E or a slash between its parts a token stood in the log."""
    header, claims, signature = Minter().token().split(".")
    path = line_of(observed(policy, f"/ai/x{dot.join([header, claims, signature])}"))["path"]
    assert header[:16] not in path
    assert claims[:16] not in path
    if dot not in {",", "~"}:
        assert path == "/ai/x[token]"


def test_a_credential_of_another_kind_is_not_told_where_it_is_the_requests_own(policy: Policy) -> None:
    headers = {"authorization": "Bearer opaque-0123456789"}
    line = line_of(observed(policy, "/ai/opaque-0123456789/opaque-0123456789", headers=headers))
    assert line["path"] == "/ai/[token]/[token]"
    assert line_of(observed(policy, "/ai/x", headers={"authorization": "ai"}))["path"] == "/ai/x"


def test_a_piece_of_the_token_is_no_user(policy: Policy) -> None:
    authorization = f"Bearer {Minter().token()}"
    for user, shown in ((authorization[-100:], "[token]"), (authorization[-15:], authorization[-15:])):
        line = line_of(observed(policy, headers={"authorization": authorization, "x-gitlab-global-user-id": user}))
        assert (line["reason"], line["user_id"]) == ("allowed", shown)


CLAIMED_HASH: Final = hashlib.sha256(INSTANCE.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("header_values", "said", "shown"),
    [
        row("plain", HeaderValues.PLAIN, "other", {"header": "other", "claim": INSTANCE}),
        row("hashed", HeaderValues.HASHED, "other", {"header": "d9298a10d1b07358", "claim": CLAIMED_HASH}),
        row("off", HeaderValues.OFF, "other", None),
        row("plain and empty", HeaderValues.PLAIN, "", {"header": "", "claim": INSTANCE}),
        row("hashed and empty", HeaderValues.HASHED, "", {"header": "", "claim": CLAIMED_HASH}),
        row("plain and long", HeaderValues.PLAIN, "o" * 1_000, {"header": "o" * 256, "claim": INSTANCE}),
        row(
            "plain and a token",
            HeaderValues.PLAIN,
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.c2ln",
            {"header": "[token]", "claim": INSTANCE},
        ),
    ],
)
def test_a_mismatch_is_shown_as_the_flag_says(
    policy: Policy, header_values: HeaderValues, said: str, shown: object
) -> None:
    line = json.loads(written(observed(policy, headers={"x-gitlab-instance-id": said}), header_values))
    assert (line["reason"], line["named"]) == ("header_mismatch", "X-Gitlab-Instance-Id")
    assert line.get("mismatch") == shown


def test_a_mismatch_never_shows_a_piece_of_the_token(policy: Policy) -> None:
    authorization = f"Bearer {Minter().token()}"
    headers = {"authorization": authorization, "x-gitlab-instance-id": authorization[-60:]}
    line = json.loads(written(observed(policy, headers=headers), HeaderValues.PLAIN))
    assert line["mismatch"] == {"header": "[token]", "claim": INSTANCE}


def test_a_path_is_cut(policy: Policy) -> None:
    assert line_of(observed(policy, "/" + "a" * 5_000))["path"] == "/" + "a" * 1_023


def test_a_line_that_fits_no_write_is_cut_shorter(policy: Policy) -> None:
    scopes = ["complete_code", *(f"{number:04}" + "s" * 60 for number in range(60))]
    line = written(observed(policy, claims={"scopes": scopes}))
    members = json.loads(line)
    assert members["cut"] is True
    assert (members["reason"], "scopes" in members, members["instance_id"]) == ("allowed", False, INSTANCE)


def test_even_the_longest_line_fits(policy: Policy) -> None:
    odd = "\U0001f600" * 5_000
    longest = "a" * 256
    claims = {"sub": longest, "gitlab_instance_id": "b" * 256, "jti": "c" * 256, "scopes": ["s" * 1_000] * 3}
    claims |= {"gitlab_realm": "r" * 32, "aud": ["u" * 900]}
    headers = {"x-gitlab-global-user-id": "d" * 128, "x-request-id": "e" * 64, "x-gitlab-unit-primitive": "f" * 64}
    seen = observed(policy, f"/{odd}", claims=claims, headers=headers)
    good = observed(policy, claims=claims)
    assert seen.request is not None
    asked = replace(seen.request, method=odd, label=odd)
    line = written(seen._replace(request=asked, judgement=good.judgement))
    assert json.loads(line)["cut"] is True
    assert len(line) < MAX_LINE


# --- sampling


def sampled(policy: Policy, part: float, ids: list[str], draw: Callable[[], float]) -> list[str]:
    lines: list[str] = []
    log = DecisionLog(lambda render: lines.append(json.loads(render()).get("request_id", "")), part, 0, draw=draw)
    for name in ids:
        log.observe(observed(policy, headers={"x-request-id": name}))
    return lines


def test_all_allows_are_logged_or_none(policy: Policy) -> None:
    ids = [ID, "not-hex", "no id"]
    assert sampled(policy, 1.0, ids, lambda: 1.0) == [ID, "not-hex", ""]
    assert sampled(policy, 0.0, ids, lambda: 0.0) == []


def test_an_allow_is_logged_if_its_lot_is_below_the_part(policy: Policy) -> None:
    lots = iter([0.0, 0.249, 0.25, 0.999, 0.1])
    assert sampled(policy, 0.25, ["a", "b", "c", "d", "e"], lambda: next(lots)) == ["a", "b", "e"]


def test_a_client_does_not_choose_whether_its_allows_are_logged(policy: Policy) -> None:
    """2026-11-22: the id decided, as with Envoy, so that one that began with ffffffff was never logged."""
    for name in (f"ffffffff{ID[8:]}", f"00000000{ID[8:]}", "no id"):
        draw = Random(1).random  # noqa: S311  a test without luck
        assert 70 < len(sampled(policy, 0.5, [name] * 200, draw)) < 130, "one id, again and again"


def test_lots_are_drawn_anew_in_each_process() -> None:
    assert isinstance(DecisionLog(lambda _: None, 0.5, 0)._draw.__self__, SystemRandom)  # type: ignore[attr-defined]


def test_a_denial_is_never_left_out(policy: Policy) -> None:
    lines: list[str] = []
    log = DecisionLog(lambda render: lines.append(render()), 0.0, 0)
    for observation in (
        observed(policy, claims={"exp": 1}),
        observe(policy.judge, request("/nowhere")),
        observe(policy.judge, b"\xff"),
    ):
        log.observe(observation)
    assert len(lines) == 3


def test_a_line_waits_without_the_request(policy: Policy) -> None:
    """What waits in memory is bounded: a request with its token, up to 4 MiB of it, is not kept."""
    waiting: list[Any] = []  # Any: looked into
    DecisionLog(waiting.append, 1.0, 0).observe(observed(policy, "/ai/v2/code/completions?" + "q" * 100_000))
    ((render),) = waiting
    entry: Any = next(cell.cell_contents for cell in render.__closure__ if isinstance(cell.cell_contents, tuple))
    texts = [text for value in entry for text in (value if isinstance(value, tuple) else (value,))]
    assert not any(isinstance(value, Request) for value in texts)
    assert isinstance(entry.judgement.token, Proof)
    assert all(len(text) <= 1_024 for text in texts if isinstance(text, str))


# --- the path: without tokens, at a cost that no client can raise

ODD: Final = st.lists(
    st.sampled_from(["ey", "eyJ", "eyA", "e", "J", ".", "%2E", "-", "_", "*", "/", "é", "a" * 9])
).map("".join)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(path=ODD | st.builds(lambda piece, times: (piece * times)[:MAX_PATH], ODD, st.integers(0, MAX_PATH)))
def test_tokens_are_found_as_the_slow_twin_finds_them(path: str) -> None:
    assert _TOKEN.sub("[token]", path) == without_tokens(path)


def without_tokens(path: str) -> str:
    """Go through it letter by letter."""
    told, at = "", 0
    while at < len(path):
        end = run_end(path, at, ".%")
        if path[at : at + 3] in {"eyJ", "eyA"} and end - at >= 16:
            while path[end : end + 1] == "/" and run_end(path, end + 1) - end > 40:
                end = run_end(path, end + 1)
            told, at = told + "[token]", end
        else:
            told, at = told + path[at], at + 1
    return told


def run_end(path: str, at: int, more: str = "") -> int:
    while at < len(path) and path[at].isascii() and (path[at].isalnum() or path[at] in "_-" + more):
        at += 1
    return at


def test_looking_for_tokens_takes_no_letter_back() -> None:
    """2026-11-22: 1,024 letters of `eyeyey…*` cost 6 ms a line, because each `ey` read all the others and gave up."""
    assert not takes_back(_TOKEN.pattern)
    assert takes_back(r"ey[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){1,2}")
    assert takes_back(r"(?:a+b)*c")


def takes_back(pattern: str) -> bool:
    """Whether something must follow a repetition without end, so that the search may fail after all it has read."""
    return fails(list(re._parser.parse(pattern)))  # type: ignore[attr-defined]


def fails(items: Sequence[Any]) -> bool:  # Any: a parsed pattern has no types
    endless = [item for item in items if is_endless(item)]
    behind = items[items.index(endless[0]) + 1 :] if endless else []
    return any(not is_endless(item) or item[1][0] > 0 for item in behind) or any(
        fails(list(item[1][2])) for item in endless
    )


def is_endless(item: Any) -> bool:  # Any: as above
    return str(item[0]) == "MAX_REPEAT" and str(item[1][1]) == "MAXREPEAT"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    before=st.integers(0, 1_100),
    length=st.integers(16, 2_500),
    between=st.integers(0, 1_100),
    times=st.integers(0, 3),
    scheme=st.sampled_from(["Bearer ", ""]),
)
def test_of_a_long_path_no_part_of_the_credential_is_told(
    before: int, length: int, between: int, times: int, scheme: str
) -> None:
    """2026-11-22: all of a path was searched for all of a credential, however long both were, to show 1,024 letters."""
    token = "<" + "".join(chr(0x100 + number) for number in range(length - 1))
    path = _path("a" * before + ("b" * between + token) * times + "?" + token, scheme + token)
    plain = "a" * before + ("b" * between + "[token]") * times
    assert set(path) <= set("ab[token]")
    assert len(path) <= MAX_PATH
    assert plain.startswith(path)


class Read(str):
    """Text that may be cut, and nothing else."""

    __slots__ = ()

    def partition(self, _: str) -> NoReturn:
        pytest.fail("read whole")


def test_a_path_is_read_no_further_than_is_told() -> None:
    """2026-11-22, as above."""
    path = Read("/" + "a" * 100_000)
    assert _path(path, "Bearer short") == _path(path, "Bearer " + "b" * 100_000) == path[:MAX_PATH]
