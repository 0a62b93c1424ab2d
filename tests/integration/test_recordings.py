"""Our messages, Envoy's complete ones and the service read the recorded requests of the real Envoy alike."""

import pytest

from authz.deciding._proto.external_auth_pb2 import CheckRequest
from authz.deciding.request import to_request
from tests.support import recorder
from tests.support.envoy_messages import agree, auth
from tests.support.recording import ANY, FOLDER, Recording, recordings

RECORDINGS = recordings()
each = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


def test_every_recording_is_in_the_index() -> None:
    assert {path.name for path in FOLDER.glob("*.bin")} == {recording.file.name for recording in RECORDINGS}


@each
def test_our_messages_and_the_complete_ones_have_the_same_content(recording: Recording) -> None:
    taken = recording.file.read_bytes()
    agree(CheckRequest.FromString(taken), auth.CheckRequest.parse(taken))


@each
def test_nothing_that_envoy_sent_is_lost_by_reading_and_writing_it(recording: Recording) -> None:
    taken = recording.file.read_bytes()
    kept = CheckRequest.FromString(taken).SerializeToString()
    assert auth.CheckRequest.parse(kept) == auth.CheckRequest.parse(taken)


@each
def test_the_service_sees_what_the_index_says(recording: Recording) -> None:
    request = to_request(recording.file.read_bytes())
    seen = recording.seen
    assert (request.method, request.target, request.label) == (seen.method, seen.path, seen.label)
    assert set(request.headers) == set(seen.headers)
    for name, value in seen.headers.items():
        assert value == ANY or request.headers[name] == value


def test_envoy_still_sends_what_was_recorded() -> None:
    """This fails if a change of envoy/ removes a header for the service, or adds one."""
    changed = [
        recording.name
        for recording, taken in recorder.take()
        if recorder.steady(recording, taken) != recorder.steady(recording, recording.file.read_bytes())
    ]
    assert not changed, "run `make record-requests` and review what changed"
