"""A real Envoy has the metrics of dashboard and alerts, with their names and labels."""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dev.envoy.files import Engine
from dev.process import ProcessGroup
from tests.support.e2e.door import CLUSTERS, Door
from tests.support.e2e.http_client import HttpClient
from tests.support.e2e.processes import SECONDS, Envoy, get, start_envoy
from tests.support.foreign_metrics import ENVOY, ENVOY_SHARED
from tests.support.minting import Minter

SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
OK: Final = b"\x08\x01"
OVER_LIMIT: Final = b"\x08\x02"
"""RateLimitResponse, whose field 1 is the code (https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto)."""
SHIPPED_PORT: Final = 8081
LOCAL: Final = "envoy_http_local_rate_limit_"
SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*?)\})? ", re.MULTILINE)


@dataclass(slots=True)
class RateLimitService:
    """Refuses every request of one domain; if the domain is `*`, it fails instead."""

    refused: str = ""

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer one request."""
        if self.refused == "*":
            context.abort(grpc.StatusCode.UNAVAILABLE, "no answer")
        # RateLimitRequest begins with its domain, field 1.
        domain = request[2 : 2 + request[1]].decode()
        return OVER_LIMIT if domain == self.refused else OK


@contextmanager
def serving(service: RateLimitService) -> Iterator[int]:
    """Listen while the block runs, and return the port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    healthy = health.HealthServicer()
    healthy.set("ratelimit", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    handlers = {"ShouldRateLimit": grpc.unary_unary_rpc_method_handler(service.answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()


def shown(envoy: Envoy) -> Mapping[str, frozenset[str]]:
    """Return every metric that Prometheus would read, with its labels."""
    found: dict[str, frozenset[str]] = {}
    for name, labels in SAMPLE.findall(get(envoy.admin.port, "/stats/prometheus").body.decode()):
        found[name] = found.get(name, frozenset()) | frozenset(re.findall(r'(\w+)="', labels))
    return found


def missing(expected: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return the metrics that are missing or lack labels."""
    return {name: labels for name, labels in expected.items() if name not in found or not labels <= found[name]}


def test_an_envoy_that_counts_limits_itself_has_the_metrics(door: Door, client: HttpClient) -> None:
    assert client.ask("POST", "/ai/v2/code/completions", ["complete_code"]).status == 200
    assert missing(ENVOY, shown(door.envoy)) == {}


def test_an_envoy_that_asks_the_rate_limit_service_has_the_metrics(door: Door) -> None:
    service = RateLimitService()
    source = replace(door.source, engine=Engine.SHARED)
    with serving(service) as port, ProcessGroup(door.folder / "logs") as processes:
        envoy = start_envoy(processes, door.folder, "counted", source, {**door.ports, SHIPPED_PORT: port})
        wanted = (*CLUSTERS, "ratelimit")
        processes.wait_until(lambda: all(map(envoy.healthy, wanted)), "a cluster, as Envoy sees it", SECONDS)
        client = HttpClient(envoy.plain, Minter(now=time.time()))

        def ask(issuer: str = "customers-dot") -> int:
            claims = {"gitlab_root_namespace_id": "9970"}
            return client.ask("POST", "/ai/v1/chat/agent", ["duo_chat"], issuer=issuer, claims=claims).status

        assert ask() == 200
        for service.refused in ("addresses", "users", "instances", "unit_primitives", "tiers"):
            assert ask() == 429, service.refused
        service.refused = "namespaces"
        assert (ask(), ask("gitlab-com")) == (200, 429)
        service.refused = "*"
        assert ask() == 200
        expected = {name: labels for name, labels in ENVOY.items() if not name.startswith(LOCAL)}
        assert missing({**expected, **ENVOY_SHARED}, shown(envoy)) == {}
