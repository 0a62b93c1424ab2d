"""Adds a Redis and the rate limit service, which count for every Envoy, to a run: `make up-shared`."""

import re
from collections.abc import Mapping

from dev.envoy.files import EnvoyFiles
from dev.process import ProcessGroup
from dev.ratelimit import service as ratelimit_service
from dev.ratelimit.program import Programs, programs
from dev.ratelimit.redis_server import RedisServer
from dev.ratelimit.service import RateLimitService
from dev.up.plan import LOOPBACK, NeededPort, PlanError
from dev.up.screen import Screen

GRPC, HEALTH, DEBUG, METRICS, REDIS = PORTS = (8081, 8082, 8083, 8084, 8085)
START_SECONDS = 30.0
_ADDRESS = re.compile(r"(cluster_name: ratelimit\n.*?socket_address: {address: )[^,}]+(, port_value: )\d+", re.DOTALL)


def service(offset: int) -> RateLimitService:
    """Return the service of a run with `offset` added to its ports."""
    return service_at(moved(offset))


def service_at(ports: Mapping[int, int]) -> RateLimitService:
    """Return the service with its usual ports replaced by `ports`."""
    return RateLimitService(*(ports.get(port, port) for port in PORTS))


def needed(offset: int) -> tuple[NeededPort, ...]:
    """Return the ports of Redis and the service."""
    listening = service(offset)
    return (
        NeededPort(listening.grpc, "the rate limit service"),
        NeededPort(listening.health, "the rate limit service's health"),
        NeededPort(listening.debug, "the rate limit service's list of limits"),
        NeededPort(listening.metrics, "the rate limit service's metrics"),
        NeededPort(listening.redis, "Redis"),
    )


def prepare(files: EnvoyFiles, screen: Screen) -> Programs:
    """Build the service if it is missing, and let it check its limits; report a missing Redis first.

    Raises MissingRedisError, BuildError or LimitsRefusedError.
    """
    RedisServer(REDIS).command()
    built = programs(lambda text: screen.step("ratelimit", text))
    ratelimit_service.check(files, built)
    return built


def start(processes: ProcessGroup, files: EnvoyFiles, built: Programs, offset: int, screen: Screen) -> None:
    """Start Redis, then the service, which would end at once without it."""
    counting = service(offset)
    redis = RedisServer(counting.redis)
    processes.start("redis", redis.command())
    processes.wait_until(redis.answers, "Redis", START_SECONDS)
    screen.step("redis", f"{LOOPBACK}:{counting.redis}, in memory")
    processes.start("ratelimit", (str(built.service),), counting.environment(files))
    processes.wait_until(counting.is_healthy, "the rate limit service", START_SECONDS)
    screen.step("ratelimit", f"{LOOPBACK}:{counting.grpc}, which counts by {files.service_folder}/")


def present(offset: int, screen: Screen) -> None:
    """Print the addresses of the service."""
    counting = service(offset)
    screen.step("limits", f"http://{LOOPBACK}:{counting.debug}/rlconfig, those in force")
    screen.step("", f"http://{LOOPBACK}:{counting.metrics}/metrics, what they have counted")
    screen.step("", f"redis-cli -p {counting.redis}, the counts themselves")


def moved(offset: int) -> Mapping[int, int]:
    """Return the ports of a run by their usual numbers."""
    return {port: port + offset for port in PORTS}


def looking_here(bootstrap: str, offset: int) -> str:
    """Return a rendered bootstrap with the address of this run's service. Raises PlanError."""
    text, found = _ADDRESS.subn(lambda at: f"{at[1]}{LOOPBACK}{at[2]}{service(offset).grpc}", bootstrap)
    if found != 1:
        raise PlanError(
            "what was rendered for the shared engine names no rate limit service: render it again (make limits)"
        )
    return text
