"""grpcio's private cygrpc has what the server needs; after a change of grpcio this names what is missing (ADR 8)."""

import time

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # as in authz/server/core.py

from authz.server import core

NEEDED = {
    "Server": [name for name in vars(core.Listener) if not name.startswith("_")],
    "CompletionQueue": [name for name in vars(core.Queue) if not name.startswith("_")],
    "Call": [name for name in vars(core.Call) if not name.startswith("_")],
    "CallDetails": list(core.Details.__annotations__),
    "RequestCallEvent": ["success", "tag", "call", "call_details"],
    "BatchOperationEvent": ["success", "tag", "batch_operations"],
    "ReceiveMessageOperation": ["message"],
    "ReceiveCloseOnServerOperation": [],
    "SendInitialMetadataOperation": [],
    "SendMessageOperation": [],
    "SendStatusFromServerOperation": [],
}


@pytest.mark.parametrize("name", NEEDED)
def test_grpcio_has_what_the_engine_needs(name: str) -> None:
    kind = getattr(cygrpc, name, None)
    hint = f"grpcio {grpc.__version__}: keep the locked version, or change authz/server/core.py as ADR 8 says"
    assert kind is not None, f"cygrpc.{name} is missing from {hint}"
    missing = [needed for needed in NEEDED[name] if not hasattr(kind, needed)]
    assert not missing, f"cygrpc.{name} lacks {', '.join(missing)} in {hint}"


@pytest.mark.parametrize("name", ["auth_context", "server_credentials_ssl_dynamic_cert_config"])
def test_grpcio_has_what_tls_needs(name: str) -> None:
    assert hasattr(cygrpc, name), f"cygrpc.{name} is missing: change authz/server/core.py as ADR 8 says"


@pytest.mark.parametrize("name", sorted(name for name in vars(core.Code) if name.isupper()))
def test_the_status_codes_are_grpcs(name: str) -> None:
    assert getattr(core.Code, name) == grpc.StatusCode[name].value[0]


def test_a_poll_that_times_out_returns_an_event_without_a_tag() -> None:
    queue = core.make_queue()
    assert queue.poll(0.0).tag is None
    assert queue.poll(time.time() + 0.01).tag is None


def test_operations_are_made_and_take_their_arguments() -> None:
    operations = (
        core.receive_message(),
        core.receive_close(),
        core.send_headers(),
        core.send_message(b"x"),
        core.send_status(core.Code.UNAVAILABLE, b"details"),
    )
    assert len({type(operation) for operation in operations}) == 5
