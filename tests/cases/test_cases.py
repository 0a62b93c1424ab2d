"""Every row of every decision table, as bytes through the one function that answers Envoy."""

import pytest

from authz.deciding.decision import Denied
from authz.deciding.reasons import Reason
from authz.tokens.proof import TokenError
from tests.support.cases.difference import difference
from tests.support.cases.door import Door
from tests.support.cases.expectation import CALLERS, REASONS, expected, observed, stream_duration
from tests.support.cases.rows import Row
from tests.support.cases.tables import CASES, Case
from tests.support.cases.tokens import token_for
from tests.support.minting import client_headers, request


def asked(row: Row, door: Door) -> bytes | str:
    """Return the bytes that Envoy would send for a row, or why there are none."""
    try:
        return sent(row, door)
    except (TypeError, ValueError) as error:
        return f"there is no such request: {error}"


def sent(row: Row, door: Door) -> bytes:
    method, _, path = row.request.partition(" ")
    backend = CALLERS.backend(path)
    token = token_for(row.token, CALLERS.backends[backend].audience, door.profiles)
    typed = {"content-type": "application/grpc"} if row.grpc else {}
    realm = {"x-gitlab-realm": door.profiles[row.token.issuer].realm}
    headers = client_headers(token, row.token.issuer, {**realm, **typed, **row.headers})
    filled = filled_up({name: value.replace("{token}", token) for name, value in headers.items()}, row)
    return request(path, method=method, headers=filled, label=row.label if row.label != "" else backend)


def filled_up(headers: dict[str, str], row: Row) -> dict[str, str]:
    """Return the headers with as many more as the row wants; Envoy itself adds four."""
    envoy = {":method": row.request.partition(" ")[0], ":path": row.request.partition(" ")[2]}
    envoy |= {":authority": "cloud.gitlab.com", ":scheme": "https"}
    more = {f"x-more-{number}": "" for number in range(row.header_count - len(headers) - len(envoy))}
    size = sum(len(name) + len(value) for name, value in {**headers, **envoy, **more}.items())
    padding = row.header_bytes - size - len("x-padding")
    return {**headers, **more, **({"x-padding": "x" * padding} if padding > 0 else {})}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_answer_is_the_tables(case: Case, doors: dict[str, Door]) -> None:
    door = doors[case.row.policy]
    message = asked(case.row, door)
    if isinstance(message, str):
        pytest.fail(f"{case}: {message}", pytrace=False)
    wanted = expected(case.row, door.profiles[case.row.token.issuer])
    for memory in ("", ", asked again"):  # what the cache knows must never change an answer
        answer, judgement = door.answer(message)
        decision, shadow = judgement.decision, judgement.shadow
        token_error = decision.token_error.value if isinstance(decision, Denied) and decision.token_error else None
        differs = difference(wanted, observed(answer, token_error))
        if differs:
            pytest.fail(f"{case}{memory}: {differs}", pytrace=False)
        if case.row.ends_after not in {None, stream_duration(answer)}:
            bound = stream_duration(answer)
            pytest.fail(f"{case}{memory}: expected ends_after {case.row.ends_after}, got {bound}", pytrace=False)
        if (shadow and shadow.reason) != case.row.shadow:
            tried = shadow.reason if shadow else "nothing"
            pytest.fail(f"{case}{memory}: expected shadow {case.row.shadow}, got {tried}", pytrace=False)


def test_every_reason_has_a_case() -> None:
    beyond_requests = {Reason.ALLOWED, Reason.PUBLIC, Reason.NOT_READY}
    denied = {case.row.deny for case in CASES if case.row.deny}
    assert denied == set(REASONS.reasons) == set(Reason) - beyond_requests


def test_every_token_error_has_a_case() -> None:
    assert {case.row.token_error for case in CASES if case.row.token_error} == set(TokenError)
    assert set(REASONS.token_errors) == set(TokenError)
