"""The rate limit service of a run: how it is started, what it says of itself, and whether it may read a folder."""

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
TIMEOUT_SECONDS = 5.0


class LimitsRefusedError(Exception):
    """The service would not take these limits, or has not; the message is what it said."""


@dataclass(frozen=True, slots=True)
class RateLimitService:
    """Where it listens, on loopback all of it, and the Redis that it counts in."""

    grpc: int
    health: int
    debug: int
    metrics: int
    redis: int

    def environment(self, files: EnvoyFiles) -> Mapping[str, str]:
        """How it is told; by itself it would listen on every address."""
        folder = files.service_folder.absolute()
        return {
            # --- what it counts: each file of the folder, one domain in it. It notices files that are moved there.
            "CONFIG_TYPE": "FILE",
            "RUNTIME_ROOT": str(folder.parent),
            "RUNTIME_SUBDIRECTORY": "",
            "RUNTIME_APPDIRECTORY": folder.name,
            "RUNTIME_WATCH_ROOT": "false",
            "RUNTIME_IGNOREDOTFILES": "true",
            # Trap: without this it is healthy with no limits at all, where it could read none.
            "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED": "true",
            # --- where
            "HOST": LOOPBACK,
            "PORT": str(self.health),
            "GRPC_HOST": LOOPBACK,
            "GRPC_PORT": str(self.grpc),
            "DEBUG_HOST": LOOPBACK,
            "DEBUG_PORT": str(self.debug),
            # --- Redis. The timeout is that of dialling; how long a request waits is Envoy's timeout alone. Trap: where
            # the first dial takes longer, as on a busy machine, the service ends. Unhealthy without Redis: then Envoy
            # stops asking, instead of waiting for each answer.
            "REDIS_SOCKET_TYPE": "tcp",
            "REDIS_URL": f"{LOOPBACK}:{self.redis}",
            "REDIS_TIMEOUT": "5s",
            "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION": "true",
            # --- what is seen of it. The access log knows by this metadata that the service has answered.
            "RESPONSE_DYNAMIC_METADATA": "true",
            "LOG_LEVEL": "warn",
            "USE_STATSD": "false",
            "USE_PROMETHEUS": "true",
            "PROMETHEUS_ADDR": f"{LOOPBACK}:{self.metrics}",
            "STATS_FLUSH_INTERVAL": "1s",
        }

    def is_healthy(self) -> bool:
        """Whether it has limits, and a Redis to count in."""
        try:
            return self._get(self.health, "/healthcheck")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def enforced(self) -> frozenset[str]:
        """The limits that are in force, a line each. Raises OSError."""
        return frozenset(filter(None, self._get(self.debug, "/rlconfig")[1].splitlines()))

    def counted(self, pattern: str) -> float:
        """The sum of the metrics whose line matches the regular expression. Raises OSError."""
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


def as_enforced(file: Path) -> frozenset[str]:
    """The limits of one of its files, as `enforced` tells them. Raises LimitsRefusedError."""
    document, problems = read(file)
    if document is None:
        raise LimitsRefusedError("\n".join(map(str, problems)))
    return frozenset(_told(document.tree["domain"], document.tree["descriptors"]))


def _told(above: str, descriptors: Tree) -> Iterator[str]:
    for each in descriptors:
        name = f"{above}.{each['key']}" + (f"_{each['value']}" if each.get("value") else "")
        if limit := each.get("rate_limit"):
            yield _line(name, limit, shadow=bool(each.get("shadow_mode")))
        yield from _told(name, each.get("descriptors") or ())


def _line(name: str, limit: Mapping[str, Any], *, shadow: bool) -> str:  # Any: as YAML has it
    rate = f"unit={limit['unit'].upper()} requests_per_unit={limit['requests_per_unit']}"
    return f"{name}: {rate}, shadow_mode: {str(shadow).lower()}, quota_mode: false"


def check(files: EnvoyFiles, built: Programs) -> None:
    """Ask the service's own check about its files. Raises LimitsRefusedError."""
    folder = files.service_folder
    if not files.service_limits:
        raise LimitsRefusedError(f"{folder}: holds no limits; make limits renders them")
    command = (str(built.config_check), "-config_dir", str(folder))
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as problem:
        raise LimitsRefusedError(
            f"{built.config_check} does not run: {problem}; remove its folder to build it anew"
        ) from problem
    if run.returncode:
        said = (run.stderr or run.stdout).strip().splitlines()
        reason = next((line for line in said if line.startswith("panic:")), said[-1] if said else "it does not say why")
        raise LimitsRefusedError(
            f"{folder}: the rate limit service would refuse this: {reason}; render it again (make limits)"
        )


def main() -> int:
    """Check what was rendered, with the real program; build that first where it is missing."""
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
