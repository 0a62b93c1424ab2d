"""Measures the cost of counting, logging and tracing an answer, on top of the answer itself.

Side by side: a check without observers, one that counts, and one that counts and logs every allow (the line is taken
from the request at once and written by another thread, whose part is measured alone). Traces are measured without a
collector.
"""

from collections.abc import Callable, Iterator

from authz.deciding.check import Check, observed_by_nobody
from authz.deciding.observation import Observation
from authz.observing.counts import Counts
from authz.observing.decision_log import DecisionLog, HeaderValues, extract, render
from authz.tokens.cache import Cache
from benchmarks.measuring import Case
from benchmarks.subjects import CLOCK, check_request, judge_with, token
from benchmarks.whole import fail


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    judge = judge_with(Cache(100))
    seen: list[Observation] = []
    requests = {
        "allow": check_request(token()),
        "public": check_request(None, "/ai/monitoring/healthz", "GET"),
        "refuse: no token": check_request(None),
    }
    tellings: dict[str, Callable[[Observation], None]] = {
        "nobody": observed_by_nobody,
        "counts": Counts().observe,
        "counts, sampled out": both(Counts(), DecisionLog(lambda _: None, 1e-6, 0)),
        "counts and log": both(Counts(), DecisionLog(lambda _: None, 1.0, 0)),
    }
    for name, message in requests.items():
        Check(judge, lambda: CLOCK, fail, seen.append)(message)
        for telling, tell in tellings.items():
            yield whole(f"{name}, {telling}", Check(judge, lambda: CLOCK, fail, tell), message)
    for name, observation in zip(requests, seen, strict=True):
        entry = extract(observation, HeaderValues.HASHED)
        yield Case(f"render the line: {name}", lambda entry=entry: render(entry, 0))  # type: ignore[misc]  # no default of a lambda has a type


def both(tally: Counts, log: DecisionLog) -> Callable[[Observation], None]:
    """Return what tells them both."""

    def tell(observation: Observation) -> None:
        tally.observe(observation)
        log.observe(observation)

    return tell


def whole(name: str, check: Check, message: bytes) -> Case:
    """Return the case of one request."""
    return Case(f"observe: {name}", lambda: check(message))
