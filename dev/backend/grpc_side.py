"""Serves gRPC for a sample backend: any method, bytes in and bytes out, no generated code."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc

from dev.backend.echo import Echo

STREAMING_METHOD = "ExecuteWorkflow"
# A token may take 16 KiB; gRPC refuses headers over 8 KiB by default. Without so_reuseport a used port is an error.
OPTIONS = (
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    ("grpc.so_reuseport", 0),
)
STOP_SECONDS = 1.0

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]


class GrpcSide:
    """ExecuteWorkflow returns every message of a stream; every other method answers one message with one."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port, a free one for port 0. Raises OSError if it is not available."""
        server = grpc.aio.server(options=OPTIONS)
        servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs leave aio out
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        server.add_generic_rpc_handlers((_AnyMethod(self._echo),))
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as refused:
            raise OSError(f"cannot listen on {host}:{port} for gRPC") from refused
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """Accept no new call; cancel the calls that are open after a second."""
        if self._server is not None:
            await self._server.stop(STOP_SECONDS)


class _AnyMethod(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # the class is generic in its stubs only
    def __init__(self, echo: Echo) -> None:
        self._echo = echo

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        self._echo.count()
        path = handler_call_details.method
        metadata: Metadata = tuple(handler_call_details.invocation_metadata)

        async def answer_one(request: bytes, _: Context) -> bytes:
            return self._echo.of_grpc(path, metadata, len(request))

        async def answer_stream(requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
            yield self._echo.of_grpc(path, metadata, 0)
            async for request in requests:
                yield request

        if path.rpartition("/")[2] == STREAMING_METHOD:
            return grpc.stream_stream_rpc_method_handler(answer_stream)
        return grpc.unary_unary_rpc_method_handler(answer_one)
