"""Envoy spreads checks evenly over the workers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import pytest

from tests.support.e2e.chains import write_keys_and_anchors
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.load import loaded, questions, show
from tests.support.e2e.processes import Service, get
from tests.support.minting import Minter

WORKERS: Final = 4
ANSWERS: Final = 4_000
MOST_UNEVEN: Final = 0.2


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door with several workers."""
    serve = partial(Service, workers=WORKERS)
    with open_door(tmp_path_factory.mktemp("spread"), write_keys_and_anchors, serve) as opened:
        opened.wait_until(lambda: opened.envoy.healthy("authz") == WORKERS, "every worker, as Envoy sees it")
        yield opened


def asked(door: Door) -> Mapping[str, int]:
    """Return how many checks each worker's socket got, as Envoy counts them."""
    clusters = json.loads(get(door.envoy.admin.port, "/clusters?format=json").body)["cluster_statuses"]
    (authz,) = (each for each in clusters if each["name"] == "authz")
    return {host["address"]["pipe"]["path"]: _total(host["stats"]) for host in authz["host_statuses"]}


def _total(stats: Sequence[Mapping[str, str]]) -> int:
    return sum(int(stat.get("value", 0)) for stat in stats if stat["name"] == "rq_total")


def decided(door: Door) -> int:
    """Return how many answers all workers have counted."""
    return door.authz.counted("authz_decisions_total{.*}")


def test_checks_are_spread_evenly_over_the_workers(
    crew: Door, mint: Minter, capsys: pytest.CaptureFixture[str]
) -> None:
    before, before_asked = decided(crew), asked(crew)
    with loaded(crew.plain, questions(HttpClient(crew.plain, mint))) as load:
        crew.wait_until(lambda: load.answers() >= ANSWERS, "answers", 100)
    seen = load.seen()
    assert not seen.details, seen.found()
    now = asked(crew)
    counts = {socket: now[socket] - before_asked[socket] for socket in now}
    show(capsys, f"{seen.summary()}; by worker: {', '.join(f'{count:,}' for count in counts.values())}")
    even = sum(counts.values()) / WORKERS
    assert len(counts) == WORKERS
    assert all(abs(count - even) <= MOST_UNEVEN * even for count in counts.values())
    total = seen.allowed + seen.refused
    assert sum(counts.values()) == total
    crew.wait_until(lambda: decided(crew) - before == total, "the workers' own counts")
