"""Sends the traffic of the soak: every kind of request, each with its expected answer."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import grpc

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from tests.support.integration.caller import CHECK
from tests.support.minting import Minter, request
from tests.support.signing import key

PER_SECOND: Final = 100
"""Of each client."""
KNOWN: Final = 50
SECONDS: Final = 20.0
KEY: Final = key("soak", "EdDSA")
STRANGER: Final = key("a stranger's", "EdDSA")
HEADER: Final = {"alg": "EdDSA", "kid": KEY.kid}


class Client:
    """Sends requests to one worker at a fixed rate until it is stopped."""

    def __init__(self, name: str, socket: Path, ended: threading.Event) -> None:
        self._name = name
        self._socket = socket
        self._ended = ended
        self.answers: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()

    def run(self) -> None:
        """Send requests and count the answers. A call without an answer counts as a wrong answer."""
        options = [("grpc.use_local_subchannel_pool", 1)]  # not a shared connection
        began = time.monotonic()
        with grpc.insecure_channel(f"unix:{self._socket}", options=options) as channel:
            check = channel.unary_unary(CHECK, bytes, CheckResponse.FromString)
            for number, (kind, message, due) in enumerate(_questions(self._name), 1):
                try:
                    code = check(message, timeout=SECONDS).status.code
                except grpc.RpcError as error:
                    code = f"no answer, {error.code()}"
                self.answers[kind] += 1
                if code != due:
                    self.wrong[f"{kind}: {code} instead of {due}"] += 1
                if self._ended.wait(max(0.0, began + number / PER_SECOND - time.monotonic())):
                    return


def _questions(name: str) -> Iterator[tuple[str, bytes, int]]:
    """Yield kind, request and expected code (0 allows). Every second request has a new token."""
    minter, numbers = Minter(now=time.time()), count()

    def asking(claims: dict[str, object], path: str = "/ai/v2/code/completions", signer: str = "") -> bytes:
        named = {"jti": f"{name}-{next(numbers)}", **claims}
        signed_by = STRANGER if signer else KEY
        return request(path, token=minter.token(claims=named, header=HEADER, key=signed_by))

    now = int(minter.now)
    known = [asking({}) for _ in range(KNOWN)]
    kinds: list[tuple[str, Callable[[], bytes], int]] = [
        ("known token", lambda: known[next(numbers) % KNOWN], 0),
        ("expired", lambda: asking({"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}), 16),
        ("forged", lambda: asking({}, signer="a stranger's"), 16),
        ("no token", request, 16),
        ("another scope", lambda: asking({"scopes": ["duo_chat"]}), 7),
        ("no rule", lambda: asking({}, "/ai/v2/code/nothing"), 5),
        ("no request", lambda: b"\xff", 14),
    ]
    while True:
        for kind, make, due in kinds:
            yield "new token", asking({}), 0
            yield kind, make(), due
