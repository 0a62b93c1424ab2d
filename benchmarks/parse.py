"""Measures how the bytes of a CheckRequest become a request.

The bytes of an ordinary request that Envoy sent, with a token signed by 2048-bit RSA. For comparison the complete
messages of envoy-data-plane read the same bytes; the server never imports them.
"""

from collections.abc import Iterator

from authz.deciding.request import to_request
from benchmarks.measuring import Case
from benchmarks.subjects import check_request, token
from tests.support.envoy_messages import auth


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    message = check_request(token())
    yield Case(f"parse {len(message):,} bytes", lambda: to_request(message))
    yield Case("parse them with envoy-data-plane", lambda: auth.CheckRequest.parse(message))
