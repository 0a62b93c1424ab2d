"""A Redis and a rate limit service of a test's own, which can die, hang and come back."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dev.envoy.files import EnvoyFiles
from dev.process import Child, ProcessGroup
from dev.ratelimit import service as ratelimit_service
from dev.ratelimit.program import Programs
from dev.ratelimit.redis_server import RedisServer
from dev.ratelimit.service import RateLimitService
from dev.up.plan import NeededPort, PlanError, check_free
from tests.support.e2e.processes import SECONDS

# Below those that the kernel hands to clients, one of which might take a port while its owner is dead.
PORTS: Final = range(20_000, 30_000)
SUM: Final = (
    "local n = 0 for _, key in ipairs(redis.call('KEYS', ARGV[1])) do n = n + redis.call('GET', key) end return n"
)


@dataclass(slots=True)
class Part:
    """One program, and how to tell that it serves."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    serves: Callable[[], bool]
    logs: Path
    _processes: ProcessGroup = field(init=False)
    _child: Child = field(init=False)

    def start(self) -> None:
        """Start it, and return when it serves."""
        self._processes = ProcessGroup(self.logs).__enter__()
        try:
            self._child = self._processes.start(self.name, self.command, self.environment)
            self._processes.wait_until(self.serves, self.name, SECONDS)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """End it without warning."""
        self._child.process.kill()
        self._child.process.wait()

    def hang(self) -> None:
        """Let it take connections, and answer nothing."""
        self._child.process.send_signal(signal.SIGSTOP)
        self._processes.wait_until(self._is_stopped, f"{self.name}, to be stopped", SECONDS)

    def _is_stopped(self) -> bool:
        """On a busy machine a program goes on for a while: each of its threads stops when it is next to run."""
        threads = Path(f"/proc/{self._child.process.pid}/task").glob("*/stat")
        return {each.read_text().rpartition(")")[2].split()[0] for each in threads} == {"T"}

    def come_back(self) -> None:
        """Start it again if it was killed, let it go on if it hung."""
        if self._child.exit_code() is None:
            self._child.process.send_signal(signal.SIGCONT)
            return
        self.stop()
        self.start()

    def stop(self) -> None:
        """End it."""
        self._processes.stop()


@dataclass(frozen=True, slots=True)
class Counting:
    """Both of them."""

    service: RateLimitService
    redis: Part
    ratelimit: Part

    def charged(self, key: str) -> int:
        """The sum of the counts whose key in Redis matches, such as `addresses_*_127.0.1.1/32_*`."""
        answer = RedisServer(self.service.redis).ask(f'EVAL "{SUM}" 0 {key}'.encode())
        return int(answer.removeprefix(b":"))


@contextmanager
def counting(files: EnvoyFiles, built: Programs, ports: Sequence[int], logs: Path) -> Iterator[Counting]:
    """Both serve while the block runs; the service reads the limits of these files."""
    ratelimit_service.check(files, built)
    service = RateLimitService(*ports)
    server = RedisServer(service.redis)
    redis = Part(f"redis-{service.redis}", server.command(), {}, server.answers, logs)
    environment = service.environment(files)
    ratelimit = Part(f"ratelimit-{service.grpc}", [str(built.service)], environment, service.is_healthy, logs)
    redis.start()
    try:
        ratelimit.start()
        try:
            yield Counting(service, redis, ratelimit)
        finally:
            ratelimit.stop()
    finally:
        redis.stop()


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens; two runs of these tests begin to look in different places."""
    first = os.getpid() * 61 % len(PORTS)
    found = (port for port in (*PORTS[first:], *PORTS[:first]) if _is_free(port))
    return [port for port, _ in zip(found, range(count), strict=False)]


def _is_free(port: int) -> bool:
    try:
        check_free([NeededPort(port, "a test")])
    except PlanError:
        return False
    return True
