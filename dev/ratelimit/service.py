"""Configures the rate limit service, asks it for its health and limits, and checks its files."""

import http.client
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.envoy.documents import Tree, read
from dev.envoy.files import Engine, EnvoyFiles
from dev.ratelimit.program import BuildError, Programs, programs
from dev.up.plan import LOOPBACK

CHECK_SECONDS = 30
REDIS_PART = 0.8
"""Of the time that Envoy waits for an answer: how long the service may try to connect to Redis."""
TIMEOUT_SECONDS = 5.0


class LimitsRefusedError(Exception):
    """The service refuses these limits; the message has its reason."""


@dataclass(frozen=True, slots=True)
class RateLimitService:
    """The service's ports on loopback, and the port of its Redis."""

    grpc: int
    health: int
    debug: int
    metrics: int
    redis: int

    def environment(self, files: EnvoyFiles) -> Mapping[str, str]:
        """Return its settings; without them it would listen on every address. Raises LimitsRefusedError."""
        folder = files.service_folder.absolute()
        return {
            # --- the limits: one domain in each file of the folder. It notices files that are moved there.
            "CONFIG_TYPE": "FILE",
            "RUNTIME_ROOT": str(folder.parent),
            "RUNTIME_SUBDIRECTORY": "",
            "RUNTIME_APPDIRECTORY": folder.name,
            "RUNTIME_WATCH_ROOT": "false",
            "RUNTIME_IGNOREDOTFILES": "true",
            # Trap: without this it is healthy without limits, if it could not read any.
            "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED": "true",
            # --- addresses
            "HOST": LOOPBACK,
            "PORT": str(self.health),
            "GRPC_HOST": LOOPBACK,
            "GRPC_PORT": str(self.grpc),
            "DEBUG_HOST": LOOPBACK,
            "DEBUG_PORT": str(self.debug),
            # --- Redis. It is unhealthy without Redis, so that Envoy stops asking instead of waiting for each answer.
            # The timeout is that of a connection attempt; no setting bounds a command, so only Envoy's timeout bounds a
            # request. Trap: if the first attempt takes longer, the service ends.
            "REDIS_SOCKET_TYPE": "tcp",
            "REDIS_URL": f"{LOOPBACK}:{self.redis}",
            "REDIS_TIMEOUT": f"{patience(files) * REDIS_PART * 1000:g}ms",
            "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION": "true",
            # --- metrics and logs. By this metadata the access log knows that the service has answered.
            "RESPONSE_DYNAMIC_METADATA": "true",
            "LOG_LEVEL": "warn",
            "USE_STATSD": "false",
            "USE_PROMETHEUS": "true",
            "PROMETHEUS_ADDR": f"{LOOPBACK}:{self.metrics}",
            "STATS_FLUSH_INTERVAL": "1s",
        }

    def is_healthy(self) -> bool:
        """Whether it has limits and a Redis."""
        try:
            return self._get(self.health, "/healthcheck")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def enforced(self) -> frozenset[str]:
        """Return the limits in force, one line each. Raises OSError."""
        return frozenset(filter(None, self._get(self.debug, "/rlconfig")[1].splitlines()))

    def counted(self, pattern: str) -> float:
        """Return the sum of the metrics whose line matches the regular expression. Raises OSError."""
        lines = self._get(self.metrics, "/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(pattern, line))

    def _get(self, port: int, path: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)) as connection:
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
            except http.client.HTTPException as problem:
                raise ConnectionError(f"port {port} does not speak HTTP: {problem}") from problem


def patience(files: EnvoyFiles) -> float:
    """Return how many seconds Envoy waits for an answer: `shared.timeout` of limits.yaml. Raises LimitsRefusedError."""
    return min(_timeout(file) for file in files.limits)


def _timeout(file: Path) -> float:
    document, problems = read(file)
    if document is None:
        raise LimitsRefusedError("\n".join(map(str, problems)))
    (resource,) = document.tree["resources"]
    return float(resource["typed_config"]["timeout"].removesuffix("s"))


def as_enforced(file: Path) -> frozenset[str]:
    """Return the limits of one file in the form of `enforced`. Raises LimitsRefusedError."""
    document, problems = read(file)
    if document is None:
        raise LimitsRefusedError("\n".join(map(str, problems)))
    return frozenset(_lines(document.tree["domain"], document.tree["descriptors"]))


def _lines(above: str, descriptors: Tree) -> Iterator[str]:
    for each in descriptors:
        name = f"{above}.{each['key']}" + (f"_{each['value']}" if each.get("value") else "")
        if limit := each.get("rate_limit"):
            yield _line(name, limit, shadow=bool(each.get("shadow_mode")))
        yield from _lines(name, each.get("descriptors") or ())


def _line(name: str, limit: Mapping[str, Any], *, shadow: bool) -> str:  # Any: as YAML has it
    rate = f"unit={limit['unit'].upper()} requests_per_unit={limit['requests_per_unit']}"
    return f"{name}: {rate}, shadow_mode: {str(shadow).lower()}, quota_mode: false"


def check(files: EnvoyFiles, built: Programs) -> None:
    """Check the files with the service's own program. Raises LimitsRefusedError."""
    folder = files.service_folder
    if not files.service_limits:
        raise LimitsRefusedError(f"{folder}: has no limits; make limits renders them")
    command = (str(built.config_check), "-config_dir", str(folder))
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as problem:
        raise LimitsRefusedError(
            f"{built.config_check} does not run: {problem}; remove its folder, and it is built again"
        ) from problem
    if run.returncode:
        output = (run.stderr or run.stdout).strip().splitlines() or ["it gives no reason"]
        reason = next((line for line in output if line.startswith("panic:")), output[-1])
        raise LimitsRefusedError(
            f"{folder}: the rate limit service would refuse this: {reason}; render it again (make limits)"
        )


def main() -> int:
    """Check the rendered limits with the real program; build it first if it is missing."""
    files = EnvoyFiles(Path("envoy"), Engine.SHARED)
    try:
        check(files, programs(lambda text: print(f"  {text}", flush=True)))
    except (BuildError, LimitsRefusedError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{files.service_folder}: the rate limit service accepts all of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
