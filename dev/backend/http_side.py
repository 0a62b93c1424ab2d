"""Serves HTTP/1.1 for a sample backend: echo, server-sent events, WebSocket, health."""

import asyncio
import json
from http import HTTPStatus
from urllib.parse import parse_qs

from aiohttp import WSMsgType, web

from dev.backend.capacity import Capacity
from dev.backend.echo import Echo

# A token may take 16 KiB, twice what aiohttp accepts by default.
HEADER_BYTES = 64 * 1024
DEFAULT_EVENTS = 3
DEFAULT_INTERVAL_SECONDS = 0.1
STOP_SECONDS = 3.0


class HttpSide:
    """Serves any method and path; `stop` ends open streams and lets plain requests finish."""

    def __init__(self, echo: Echo, capacity: Capacity | None = None) -> None:
        self._echo = echo
        self._capacity = capacity
        self._stopping = asyncio.Event()
        # The body is counted as it was sent, so a compressed one stays compressed.
        server = web.Server(
            self._answer,
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=1000,
            handler_cancellation=capacity is not None,
        )
        self._runner = web.ServerRunner(server, access_log=None, shutdown_timeout=STOP_SECONDS)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port, a free one for port 0. Raises OSError if it is not available."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        address = self._runner.addresses[0]
        return int(address[1])

    async def stop(self) -> None:
        """Accept no new request, end open streams, and let the others finish for a bounded time."""
        self._stopping.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.raw_path.partition("?")[0] == "/health":
            return web.Response(body=self._echo.health(), content_type="application/json")
        self._echo.count()
        if web.WebSocketResponse().can_prepare(request):
            return await self._talk(request)
        body_bytes = 0
        async for chunk in request.content.iter_any():
            body_bytes += len(chunk)
        if self._capacity is not None:
            await self._capacity.work()
        seen = self._echo.of_http(request.method, request.raw_path, request.raw_headers, body_bytes)
        if "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, seen)
        return web.Response(body=seen, content_type="application/json")

    async def _talk(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send the echo, then return every text frame until either side closes."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(self._echo.of_http(request.method, request.raw_path, request.raw_headers, 0).decode())
        closing = asyncio.create_task(self._close_when_stopping(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_str(message.data)
        finally:
            closing.cancel()
        return socket

    async def _close_when_stopping(self, socket: web.WebSocketResponse) -> None:
        await self._stopping.wait()
        await socket.close(code=1001, message=b"the backend is stopping")

    async def _stream(self, request: web.BaseRequest, seen: bytes) -> web.StreamResponse:
        """Send `events` events, `interval` seconds apart (both from the query); the first holds the echo."""
        try:
            events, interval = _pace(request.raw_path)
        except ValueError:
            problem = {"error": "events is a whole number from 1, interval a number of seconds from 0"}
            return web.json_response(problem, status=HTTPStatus.BAD_REQUEST)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        await response.write(b"event: echo\ndata: " + seen + b"\n\n")
        for number in range(2, events + 1):
            if await self._stops_within(interval):
                break
            await response.write(b"event: tick\ndata: " + json.dumps({"number": number}).encode() + b"\n\n")
        return response

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False


def _pace(path: str) -> tuple[int, float]:
    query = parse_qs(path.partition("?")[2])
    events = int(query.get("events", [str(DEFAULT_EVENTS)])[0])
    interval = float(query.get("interval", [str(DEFAULT_INTERVAL_SECONDS)])[0])
    if events < 1 or not 0 <= interval < float("inf"):
        raise ValueError(path)
    return events, interval
