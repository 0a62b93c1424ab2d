"""Measures how a decision becomes the bytes of a CheckResponse.

An allow has headers for the backend and metadata for limits and logs; an allow of a public endpoint has no identity; a
refusal has a JSON body.
"""

from collections.abc import Iterator
from typing import Final

from authz.deciding.request import to_request
from authz.deciding.response import to_response
from authz.tokens.cache import Cache
from benchmarks.measuring import Case
from benchmarks.subjects import CLOCK, check_request, judge_with, token

LINES: Final = {
    "an allow": ("POST", "/ai/v2/code/completions"),
    "a public allow": ("GET", "/ai/monitoring/healthz"),
    "a refusal": ("POST", "/ai/v1/amazon_q/events"),
}


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    for name, (method, path) in LINES.items():
        yield serialisation(name, method, path)


def serialisation(name: str, method: str, path: str) -> Case:
    """Return the case of the answer to one request."""
    request = to_request(check_request(token(), path, method))
    judgement = judge_with(Cache(100)).judge(request, CLOCK)
    decision, request_id, headers = judgement.decision, judgement.ids.request_id, request.headers
    return Case(f"serialise {name}", lambda: to_response(decision, request_id, headers))
