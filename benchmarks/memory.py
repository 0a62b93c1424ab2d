"""Measures a worker's memory over a million different tokens: `python -m benchmarks.memory [TOKENS]`.

Method: one process with the parts of a worker: the check with the shipped policy, its counts, its decision log (into
nothing), its cache of 20,000 proven tokens, and a garbage collector that skips the policy. Each token is signed here
with Ed25519, the fastest to sign, has its own instance and id, and is used for one allowed request. It prints the
resident memory of this process at each mark, and the number of cached tokens. Takes ten minutes.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.deciding._proto.external_auth_pb2 import CheckRequest, CheckResponse
from authz.deciding.check import Check
from authz.deciding.policy_data import TOKENS_CACHED
from authz.model import Algorithm
from authz.observing.decision_log import HeaderValues
from authz.observing.line_writer import LineWriter
from authz.observing.observers import Observers
from authz.tokens.cache import Cache
from authz.tokens.proof import Proof
from benchmarks.resident import resident
from benchmarks.subjects import CLOCK, KEYS, SCOPES, check_request, judge_with, token
from tests.support.minting import Minter
from tests.support.signing import encode

TOKENS: Final = 1_000_000
PARTS: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """The state after a number of tokens; memory in MiB."""

    seen: int
    remembered: int
    resident: float


def requests(count: int) -> Iterator[bytes]:
    """Yield the requests of that many callers, each with its own token."""
    pair = KEYS[Algorithm.EDDSA]
    header = json.dumps({"alg": pair.algorithm, "kid": pair.kid}).encode()
    claims = Minter(CLOCK).claims() | {"scopes": SCOPES}
    usual = check_request(token(Algorithm.EDDSA))
    for number in range(count):
        # A message of its own: what is written over in one is given back only with the whole of it.
        message = CheckRequest.FromString(usual)
        headers = message.attributes.request.http.headers
        instance = f"6b1e6a52-4d3c-4f0e-9b7d-{number:012x}"
        claims |= {"sub": instance, "gitlab_instance_id": instance, "jti": f"0f8fad5b-d9cb-469f-a165-{number:012x}"}
        headers["x-gitlab-instance-id"] = instance
        headers["authorization"] = f"Bearer {encode(header, json.dumps(claims).encode(), pair.sign)}"
        yield message.SerializeToString()


def marks(count: int) -> Iterator[Mark]:
    """Ask for that many callers and yield what is seen on the way. Raises RuntimeError where one is not let in."""
    memory: Cache[Proof] = Cache(TOKENS_CACHED)
    judge = judge_with(memory)
    due = sorted({int(count * part) for part in PARTS})
    with Path(os.devnull).open("wb") as nothing, LineWriter(nothing.fileno()) as lines:
        observers = Observers(0, 1.0, HeaderValues.HASHED, lines, None)
        observers.follow(judge)
        check = Check(judge, lambda: CLOCK, fail, observers)
        gc.collect()
        gc.freeze()
        yield Mark(0, 0, resident(os.getpid()))
        for number, request in enumerate(requests(count), 1):
            if CheckResponse.FromString(check(request)).status.code:
                raise RuntimeError(f"token {number} was refused")
            if number in due:
                yield Mark(number, len(memory), resident(os.getpid()))


def fail(error: Exception) -> None:
    """Raise an error that the server would log."""
    raise error


def table(found: Sequence[Mark]) -> str:
    """Return the marks as Markdown."""
    rows = [f"| {mark.seen:,} | {mark.remembered:,} | {mark.resident:.1f} |" for mark in found]
    return "\n".join(["| tokens seen | remembered | resident, MiB |", "|---|---|---|", *rows])


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    count = int(arguments[0]) if arguments else TOKENS
    began = time.monotonic()
    found = list(marks(count))
    print(table(found))
    print(f"\n{count:,} tokens, signed and checked in {time.monotonic() - began:,.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
