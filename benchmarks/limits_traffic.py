"""Sends the traffic of the experiment with limits: customers arrive at random and give up after a while.

Clients do not wait for an earlier answer (an open loop), so a slow door does not reduce its own load. The times of
arrival are drawn at random, from the same seed in every run.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from tests.support.minting import Minter, client_headers
from tests.support.tiers import SEATS

PATIENCE: Final = 2.0
"""Seconds after which a client gives up."""
PATH: Final = "/ai/v2/code/completions"
SEED: Final = 4
REFUSED: Final = 429


@dataclass(frozen=True, slots=True)
class Crowd:
    """The customers of one tier, and their usual requests per second."""

    tier: str
    per_second: float
    instances: int
    users: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A period in which some tiers send more than usual."""

    seconds: float
    times: dict[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: when it was sent, its status (0: the client gave up), and after how many seconds."""

    tier: str
    sent: float
    status: int
    seconds: float

    @property
    def served(self) -> bool:
        """Whether the backend answered in time."""
        return self.status == 200

    @property
    def refused(self) -> bool:
        """Whether a limit refused."""
        return self.status == REFUSED


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: float
    tier: str
    headers: dict[str, str]


def send(port: int, crowds: Sequence[Crowd], phases: Sequence[Phase]) -> list[Outcome]:
    """Send the requests of all crowds to a door, and return their outcomes."""
    return asyncio.run(_send(port, _arrivals(crowds, phases)))


async def _send(port: int, arrivals: Sequence[_Arrival]) -> list[Outcome]:
    everyone = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=everyone, timeout=patience) as session:
        started, coming = time.perf_counter(), []
        for arrival in arrivals:
            await asyncio.sleep(max(0.0, arrival.at - (time.perf_counter() - started)))
            coming.append(asyncio.create_task(_ask(session, arrival)))
        return await asyncio.gather(*coming)


async def _ask(session: aiohttp.ClientSession, arrival: _Arrival) -> Outcome:
    started, status = time.perf_counter(), 0
    try:
        async with session.post(PATH, headers=arrival.headers) as answer:
            await answer.read()
            status = answer.status
    except TimeoutError:
        pass
    return Outcome(arrival.tier, arrival.at, status, time.perf_counter() - started)


def _arrivals(crowds: Sequence[Crowd], phases: Sequence[Phase]) -> list[_Arrival]:
    chance, minter = random.Random(SEED), Minter(time.time())  # noqa: S311  # for arrivals, not for secrets
    found: list[_Arrival] = []
    for crowd in crowds:
        callers, begun = _callers(crowd, chance, minter), 0.0
        for phase in phases:
            rate = crowd.per_second * phase.times.get(crowd.tier, 1.0)
            found.extend(
                _Arrival(begun + at, crowd.tier, chance.choice(callers)) for at in _times(rate, phase.seconds, chance)
            )
            begun += phase.seconds
    return sorted(found, key=lambda arrival: arrival.at)


def _times(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


def _callers(crowd: Crowd, chance: random.Random, minter: Minter) -> list[dict[str, str]]:
    """Return the headers of every user of every instance."""
    found = []
    for _ in range(crowd.instances):
        instance = str(uuid.UUID(int=chance.getrandbits(128)))
        claims = {"sub": instance, "gitlab_instance_id": instance, "duo_seat_count": str(SEATS.get(crowd.tier, 0))}
        token = minter.token(claims=claims)
        for user in range(crowd.users):
            named = {"x-gitlab-instance-id": instance, "x-gitlab-global-user-id": f"user-{user}"}
            found.append(client_headers(token, overrides={**named, "x-request-id": None}))
    return found
