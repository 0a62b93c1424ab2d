"""Stock gRPC clients: calls of both kinds, and refusals that they understand."""

from __future__ import annotations

import json
import queue
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import grpc
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.door import Door
    from tests.e2e.visitor import Visitor

SERVICE: Final = "/duo_workflow.DuoWorkflow"
TOKEN: Final = f"{SERVICE}/GenerateToken"
WORKFLOW: Final = f"{SERVICE}/ExecuteWorkflow"
SECONDS: Final = 20


@contextmanager
def channel(door: Door) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{door.plain}") as opened:
        yield opened


def metadata(visitor: Visitor, *scopes: str, issuer: str = "customers-dot") -> tuple[tuple[str, str], ...]:
    return tuple(visitor.headers(SERVICE, list(scopes) or None, issuer).items())


def test_a_unary_call_reaches_the_backend_under_its_own_name(door: Door, visitor: Visitor) -> None:
    with channel(door) as opened:
        call = opened.unary_unary(TOKEN)
        answer = call(b"question", metadata=metadata(visitor, "duo_workflow_generate_token"), timeout=SECONDS)
    seen = json.loads(answer)
    assert (seen["path"], seen["body_bytes"]) == (TOKEN, len(b"question"))
    assert dict(seen["metadata"])["x-gitlab-authorized-unit-primitive"] == "duo_workflow_generate_token"


def test_a_stream_goes_both_ways_message_by_message(door: Door, visitor: Visitor) -> None:
    outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with channel(door) as opened:
        call = opened.stream_stream(WORKFLOW)
        allowed = metadata(visitor, "duo_workflow_execute_workflow")
        answers = call(iter(outgoing.get, None), metadata=allowed, timeout=SECONDS)
        assert json.loads(next(answers))["path"] == WORKFLOW
        for message in (b"one", b"two", b"three"):
            outgoing.put(message)
            assert next(answers) == message
        outgoing.put(None)
        assert list(answers) == []
        assert answers.code() is grpc.StatusCode.OK


def test_a_stream_lasts_until_the_clients_deadline_not_the_routes(door: Door, visitor: Visitor) -> None:
    outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with door.edited(routes=[("timeout: 60s", "timeout: 0.2s")]), channel(door) as opened:
        allowed = metadata(visitor, "duo_workflow_execute_workflow")
        started = time.monotonic()
        answers = opened.stream_stream(WORKFLOW)(iter(outgoing.get, None), metadata=allowed, timeout=1.2)
        next(answers)
        with pytest.raises(grpc.RpcError):
            next(answers)
        assert time.monotonic() - started > 1
        outgoing.put(None)


@pytest.mark.parametrize(
    ("method", "scopes", "code", "message"),
    [
        (TOKEN, [], grpc.StatusCode.UNAUTHENTICATED, "No authorization header presented"),
        (TOKEN, ["duo_chat"], grpc.StatusCode.PERMISSION_DENIED, "Unauthorized to access duo_workflow_generate_token"),
        (f"{SERVICE}/NoSuchMethod", ["duo_chat"], grpc.StatusCode.NOT_FOUND, "Not found"),
        ("/no.Such/Service", ["duo_chat"], grpc.StatusCode.NOT_FOUND, "Not found"),
    ],
)
def test_a_refused_call_has_a_grpc_status(
    door: Door, visitor: Visitor, method: str, scopes: list[str], code: grpc.StatusCode, message: str
) -> None:
    with channel(door) as opened, door.nothing_let_through(), pytest.raises(grpc.RpcError) as refused:
        opened.unary_unary(method)(b"", metadata=metadata(visitor, *scopes), timeout=SECONDS)
    assert isinstance(refused.value, grpc.Call)
    assert (refused.value.code(), refused.value.details()) == (code, message)


def test_a_user_token_calls_no_other_backend(door: Door, visitor: Visitor) -> None:
    mine = metadata(visitor, "duo_workflow_generate_token", issuer="ai-gateway")
    with channel(door) as opened, door.nothing_let_through(), pytest.raises(grpc.RpcError) as refused:
        opened.unary_unary(TOKEN)(b"", metadata=mine, timeout=SECONDS)
    assert isinstance(refused.value, grpc.Call)
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "Forbidden by auth provider",
    )
