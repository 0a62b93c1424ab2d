"""What is read of a CheckRequest, and its bounds. What a CheckResponse holds is in the decision tables."""

import pytest

from authz.deciding._proto.external_auth_pb2 import CheckRequest
from authz.deciding.request import MAX_HEADER_BYTES, MAX_HEADERS, UnreadableRequestError, to_request


def message(headers: dict[str, str]) -> bytes:
    check = CheckRequest()
    check.attributes.request.http.headers.update(headers)
    return check.SerializeToString()


def test_what_is_absent_reads_as_empty() -> None:
    request = to_request(b"")
    assert (request.method, request.target, dict(request.headers), request.label) == ("", "", {}, None)


def test_what_is_there_is_read() -> None:
    check = CheckRequest()
    http = check.attributes.request.http
    http.method, http.path = "GET", "/a?b"
    http.headers["x-a"] = "é"
    check.attributes.context_extensions["backend_service"] = "alpha"
    check.attributes.context_extensions["other"] = "ignored"
    request = to_request(check.SerializeToString())
    assert (request.method, request.target, dict(request.headers), request.label) == (
        "GET",
        "/a?b",
        {"x-a": "é"},
        "alpha",
    )


def test_an_empty_label_is_not_an_absent_one() -> None:
    check = CheckRequest()
    check.attributes.context_extensions["backend_service"] = ""
    assert to_request(check.SerializeToString()).label == ""


def test_headers_are_bounded_by_number() -> None:
    headers = {f"x-{number}": "" for number in range(MAX_HEADERS)}
    assert len(to_request(message(headers)).headers) == MAX_HEADERS
    with pytest.raises(UnreadableRequestError):
        to_request(message({**headers, "x-more": ""}))


@pytest.mark.parametrize("filler", ["a", "é"], ids=["one byte a character", "two bytes a character"])
def test_headers_are_bounded_by_bytes(filler: str) -> None:
    fitting = {"abc": filler * ((MAX_HEADER_BYTES - 4) // len(filler.encode())), "z": ""}
    assert len(to_request(message(fitting)).headers) == 2
    with pytest.raises(UnreadableRequestError):
        to_request(message({**fitting, "z": "zz"}))


def test_other_fields_may_be_larger_than_headers() -> None:
    check = CheckRequest()
    check.attributes.request.http.path = "/" + "a" * (2 * MAX_HEADER_BYTES)
    assert len(to_request(check.SerializeToString()).target) == 2 * MAX_HEADER_BYTES + 1


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\xff", id="no field"),
        pytest.param(b"\x0a\x05", id="cut off"),
        pytest.param(b"\x0a\x00\x00", id="a field zero"),
        pytest.param(message({"x": "abc"}).replace(b"abc", b"a\xffc"), id="a text that is not UTF-8"),
        pytest.param(message({"xyz": "a"}).replace(b"xyz", b"x\xc3z"), id="a name that is not UTF-8"),
    ],
)
def test_bytes_that_are_no_request_are_refused(octets: bytes) -> None:
    with pytest.raises(UnreadableRequestError):
        to_request(octets)
